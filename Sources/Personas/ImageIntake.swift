/// Brings the images of a create in: decodes or fetches them, and checks each.
struct ImageIntake: Sendable {
    let fetcher: any ImageFetcher
    let keepsMetadata: Bool

    var acceptsPlainHTTP: Bool { fetcher.acceptsPlainHTTP }

    /// The checked images in their order.
    /// - Throws: the first bad image's failure, in the order of the request.
    func images(of draft: CheckedDraft) async throws(Failure) -> [ProbedImage] {
        let deadline = ContinuousClock.now.advanced(by: .seconds(Limits.imageFetchSecondsMax))
        let results = await withTaskGroup(of: (Int, Result<ProbedImage, Failure>).self) { group in
            for (index, source) in draft.images.enumerated() {
                let position = ImagePosition(field: draft.imageField, index: index)
                switch source {
                case .url(let url):
                    group.addTask { (index, await result { () throws(Failure) in try await fetched(url, before: deadline, at: position) }) }
                case .base64(let text):
                    // Decoding is plain work: side by side it would only hold three images' intermediate copies at once.
                    let decoded = await result { () throws(Failure) in
                        try ReferenceImage.checked(
                            try ReferenceImage.decode(base64: text, at: position), keepingMetadata: keepsMetadata, at: position)
                    }
                    group.addTask { (index, decoded) }
                }
            }
            return await group.reduce(into: [(Int, Result<ProbedImage, Failure>)]()) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
        var images: [ProbedImage] = []
        for result in results { images.append(try result.get()) }
        return images
    }

    private func fetched(_ url: String, before deadline: ContinuousClock.Instant, at position: ImagePosition) async throws(Failure)
        -> ProbedImage
    {
        let bytes: [UInt8]
        do {
            bytes = try await fetcher.fetch(url, before: deadline)
        } catch {
            switch error {
            case .tooLarge: throw .imageTooLarge(position)
            case .unavailable(let reason): throw .invalidImage(position, reason: reason)
            }
        }
        return try ReferenceImage.checked(bytes, keepingMetadata: keepsMetadata, at: position)
    }

    private func result(_ body: () async throws(Failure) -> ProbedImage) async -> Result<ProbedImage, Failure> {
        do throws(Failure) {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }
}

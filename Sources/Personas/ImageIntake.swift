/// Brings the images of a create in: decodes or fetches them, and checks each.
struct ImageIntake: Sendable {
    let fetcher: any ImageFetcher
    let keepsMetadata: Bool

    var acceptsPlainHTTP: Bool { fetcher.acceptsPlainHTTP }

    /// The checked images in their order.
    /// - Throws: the first bad image's failure, in the order of the request.
    func images(of draft: CheckedDraft) async throws(Failure) -> [ProbedImage] {
        let deadline = ContinuousClock.now.advanced(by: .seconds(Limits.imageFetchSecondsMax))
        let fetched = await mapConcurrently(draft.images) { (index, source) async throws(Failure) -> ProbedImage? in
            guard case .url(let url) = source else { return nil }
            return try await self.fetched(url, before: deadline, at: ImagePosition(field: draft.imageField, index: index))
        }
        var images: [ProbedImage] = []
        for (index, source) in draft.images.enumerated() {
            if let image = try fetched[index].get() {
                images.append(image)
            } else if case .base64(let text) = source {
                // Decoding is plain work: side by side it would only hold three images' intermediate copies at once.
                let position = ImagePosition(field: draft.imageField, index: index)
                let bytes = try ReferenceImage.decode(base64: text, at: position)
                images.append(try ReferenceImage.checked(bytes, keepingMetadata: keepsMetadata, at: position))
            }
        }
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
}

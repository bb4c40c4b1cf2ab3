/// Brings the images of a create in: decodes or fetches them, and checks each.
struct ImageReader: Sendable {
    let fetcher: any ImageFetcher
    let decoding: BodyDecoding
    let keepsMetadata: Bool

    var acceptsPlainHTTP: Bool { fetcher.acceptsPlainHTTP }

    /// The checked images in their order. All are looked at, however many of them are bad.
    /// - Parameters:
    ///   - field: what carried them.
    ///   - memory: what holds them; the texts that they are decoded from are given back to it.
    /// - Throws: `badImages`; `tooManyRequests` or `usedUp` where one was not looked at.
    func images(
        _ sources: [ImageSource], of field: InputField, holding memory: MemoryReservation
    ) async throws(Failure) -> [SanitizedImage] {
        let deadline = ContinuousClock.now.advanced(by: .seconds(Limits.imageFetchSecondsMax))
        let addresses = sources.enumerated().compactMap { index, source -> (position: ImagePosition, url: String)? in
            guard case .url(let url) = source else { return nil }
            return (ImagePosition(field: field, index: index), url)
        }
        let fetched = await mapConcurrently(addresses) { (_, address) async throws(Failure) -> SanitizedImage in
            try await self.fetched(address.url, before: deadline, at: address.position, holding: memory)
        }
        var nextFetched = fetched.makeIterator()
        var findings = ImageFindings()
        var decodedTextBytes = 0
        for (index, source) in sources.enumerated() {
            // Side by side, decoding would only hold three images' intermediate copies at once.
            let position = ImagePosition(field: field, index: index)
            switch source {
            case .url:
                if let image = nextFetched.next() { findings.add(image) }
            case .base64(let text):
                findings.add(await decoded(text, at: position, holding: memory))
                decodedTextBytes += text.byteCount
            case .file(let file):
                findings.add(await checked(file, at: position, for: memory.accountID))
            case .oversizedFile:
                findings.add(.failure(.imageTooLarge(position)))
            }
        }
        memory.shrink(by: decodedTextBytes)
        return try findings.get()
    }

    private func decoded(
        _ text: ImageText, at position: ImagePosition, holding memory: MemoryReservation
    ) async -> Result<SanitizedImage, Failure> {
        do throws(Failure) {
            return .success(try await decoding.image(text, keepingMetadata: keepsMetadata, at: position, holding: memory))
        } catch {
            return .failure(error)
        }
    }

    private func checked(_ file: ImageFile, at position: ImagePosition, for accountID: Identifier) async -> Result<SanitizedImage, Failure>
    {
        do throws(Failure) {
            return .success(
                try await decoding.perform(on: file.byteCount, for: accountID) { () throws(Failure) in
                    try ReferenceImage.checked(file.take(), keepingMetadata: keepsMetadata, at: position)
                })
        } catch {
            return .failure(error)
        }
    }

    private func fetched(
        _ url: String, before deadline: ContinuousClock.Instant, at position: ImagePosition, holding memory: MemoryReservation
    ) async throws(Failure) -> SanitizedImage {
        let bytes: [UInt8]
        do {
            bytes = try await fetcher.fetch(url, holding: memory, before: deadline)
        } catch {
            switch error {
            case .tooLarge: throw .imageTooLarge(position)
            case .unavailable(let reason): throw .invalidImage(position, reason: reason)
            case .refused(let failure): throw failure
            }
        }
        return try await decoding.perform(on: bytes.count, for: memory.accountID) { () throws(Failure) in
            try ReferenceImage.checked(bytes, keepingMetadata: keepsMetadata, at: position)
        }
    }
}

extension BodyDecoding {
    /// Decodes and checks one image. Its text is let go of, whether or not it is one.
    func image(
        _ text: ImageText, keepingMetadata: Bool, at position: ImagePosition, holding memory: MemoryReservation
    ) async throws(Failure) -> SanitizedImage {
        try memory.grow(by: ReferenceImage.decodedBytesMax(base64ByteCount: text.byteCount))
        return try await perform(on: text.byteCount, for: memory.accountID) { () throws(Failure) in
            let bytes = try ReferenceImage.decode(base64: text.take(), at: position)
            return try ReferenceImage.checked(bytes, keepingMetadata: keepingMetadata, at: position)
        }
    }
}

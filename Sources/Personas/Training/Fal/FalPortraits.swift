/// A portrait that a trainer has made. While anybody holds it, it takes one of the places that bound how many there are in memory.
package struct TrainedPortrait: Sendable {
    /// The image.
    package let image: SanitizedImage
    /// What bounds how many there are.
    fileprivate let place: AsyncSemaphore.Permit
}

/// Brings portraits in from where fal says that they are: by the rules for the URLs of strangers, for that is what they are.
package final class FalPortraits: Sendable {
    /// Why there is no portrait.
    package enum Problem: Error, Sendable, Equatable {
        /// What is there cannot be used, or nothing is. The reason is a predicate that is safe to show, such as "is not an image".
        case unusable(reason: String)
        /// The task was cancelled.
        case stopped
    }

    /// Portraits in memory at once: each may have 10 MiB. An account alone has half.
    private static let placesMax = 8
    /// How long is waited before each further attempt. A portrait has cost money, and hosts have bad moments.
    private static let pauses: [Duration] = [.seconds(1), .seconds(4)]

    private let fetcher: any ImageFetcher
    private let decoding: BodyDecoding
    private let keepsMetadata: Bool
    private let places = AsyncSemaphore(count: placesMax)

    /// Takes what fetches and checks images.
    package init(fetcher: any ImageFetcher, decoding: BodyDecoding, keepsMetadata: Bool) {
        self.fetcher = fetcher
        self.decoding = decoding
        self.keepsMetadata = keepsMetadata
    }

    /// Downloads and checks a portrait, on the share of an account.
    func portrait(at url: String, for accountID: Identifier) async throws(Problem) -> TrainedPortrait {
        var attempt = 0
        while true {
            guard let place = await places.permitInTurn(accountID) else { throw .stopped }
            var pause = Duration.seconds(1)
            switch await image(at: url, for: accountID) {
            case .success(let image): return TrainedPortrait(image: image, place: place)
            case .failure(.tooLarge): throw .unusable(reason: "is larger than 10 MB")
            // There was no place to do it, which says nothing about the portrait.
            case .failure(.refused): break
            case .failure(.unavailable(let reason)):
                guard attempt < Self.pauses.count else { throw .unusable(reason: reason) }
                pause = Self.pauses[attempt]
                attempt += 1
            }
            // Not while it waits.
            withExtendedLifetime(consume place) {}
            guard (try? await Task.sleep(for: pause)) != nil else { throw .stopped }
        }
    }

    private func image(at url: String, for accountID: Identifier) async -> Result<SanitizedImage, ImageFetchProblem> {
        let memory = MemoryReservation.unlimited(for: accountID)
        do throws(ImageFetchProblem) {
            let bytes = try await fetcher.fetch(url, holding: memory, before: .now + .seconds(Limits.imageFetchSecondsMax))
            return .success(try await checked(bytes, for: accountID))
        } catch {
            return .failure(error)
        }
    }

    private func checked(_ bytes: [UInt8], for accountID: Identifier) async throws(ImageFetchProblem) -> SanitizedImage {
        do throws(Failure) {
            return try await decoding.perform(on: bytes.count, for: accountID) { () throws(Failure) in
                try ReferenceImage.checked(bytes, keepingMetadata: keepsMetadata, at: ImagePosition(field: .portrait))
            }
        } catch .badImages(let bad, _) {
            switch bad.problem {
            case .tooLarge: throw .tooLarge
            case .unusable(let reason): throw .unavailable(reason: reason)
            }
        } catch {
            throw .refused(error)
        }
    }
}

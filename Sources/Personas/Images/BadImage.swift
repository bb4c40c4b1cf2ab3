/// An image of a request that cannot be taken in.
package struct BadImage: Sendable, Equatable, Codable {
    /// What is wrong with it.
    package enum Problem: Sendable, Equatable, Codable {
        /// It is damaged, not an image, or not to be had from its URL; the predicate of a sentence about it, such as "is truncated".
        case unusable(reason: String)
        /// It is larger than `Limits.imageBytesMax`.
        case tooLarge
    }

    /// Where it stands.
    package let position: ImagePosition
    /// What is wrong with it.
    package let problem: Problem

    package init(_ position: ImagePosition, _ problem: Problem) {
        self.position = position
        self.problem = problem
    }
}

extension Failure {
    /// One image is damaged, not an image, or not to be had from its URL.
    package static func invalidImage(_ position: ImagePosition, reason: String) -> Failure {
        .badImages(BadImage(position, .unusable(reason: reason)), others: [])
    }

    /// One image is larger than `Limits.imageBytesMax`.
    package static func imageTooLarge(_ position: ImagePosition) -> Failure {
        .badImages(BadImage(position, .tooLarge), others: [])
    }
}

/// The images of one request, good and bad, in their order.
struct ImageFindings {
    private var images: [SanitizedImage] = []
    private var bad: [BadImage] = []
    private var refusal: Failure?

    /// Takes note of the next image. Once one is bad the good ones are of no use, and are let go of.
    mutating func add(_ result: Result<SanitizedImage, Failure>) {
        switch result {
        case .success(let image): if bad.isEmpty { images.append(image) }
        case .failure(.badImages(let first, let others)):
            bad += [first] + others
            images = []
        case .failure(let failure): refusal = refusal ?? failure
        }
    }

    /// All images, if they are good.
    ///
    /// A bad one is told of even where another was not looked at for want of memory or a place: it will be bad the next time as well.
    /// - Throws: `badImages` with each of them, or why an image was not looked at.
    consuming func get() throws(Failure) -> [SanitizedImage] {
        if let first = bad.first { throw .badImages(first, others: Array(bad.dropFirst())) }
        if let refusal { throw refusal }
        return images
    }
}

import Foundation
import HTTPTypes
import Personas
import Synchronization

/// Small images, made here or by an independent encoder (Pillow).
enum TestImage {
    /// A PNG of one grey pixel; of each shade another file.
    static func png(_ shade: UInt8, padding: Int = 0) -> [UInt8] {
        let row: [UInt8] = [0, shade]
        let check = adler32(row)
        // One stored block of deflate (RFC 1951), then bytes that no decoder reads, for those who need a large file.
        let data: [UInt8] = [0x78, 0x01, 0x01, 2, 0, 0xfd, 0xff] + row + check + [UInt8](repeating: shade, count: padding)
        return [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
            + chunk("IHDR", [0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]) + chunk("IDAT", data) + chunk("IEND", [])
    }

    /// The same picture with a text that the service takes out.
    static func pngWithMetadata(_ shade: UInt8) -> [UInt8] {
        let plain = png(shade)
        return plain.prefix(33) + chunk("tEXt", Array("Comment\0CANARY".utf8)) + plain.dropFirst(33)
    }

    /// A PNG of exactly that many bytes.
    static func png(bytes: Int) -> [UInt8] { png(7, padding: bytes - png(7).count) }

    static let jpeg = decoded(
        """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//wAALCA
        AMABQBAREA/8QAFwAAAwEAAAAAAAAAAAAAAAAAAwUGBP/EAB8QAAEEAgIDAAAAAAAAAAAAAAEAAgMEBREiYRIhM//dAAQAAf/aAAgBAQAAPwCUq4feuK//0FVfCADb
        mgBf/9ELMPH4/Nx7AX//0tdGtEdcV//Te1K0Ujg5zfa//9SrZBG5gOiOgdL/2Q==
        """)
    static let webp = decoded(
        """
        UklGRmAAAABXRUJQVlA4TFQAAAAvE8ACALkyRPQ/duUvfvQ/oKBtI8cgjj/a+QPAMDCJJNm1oFfV6KHEn4AkINGv4McEELQZYPM3pBkJ4JtQwQPQI4KNtEOio2yQWM
        hp3IpIR0oBPwA=
        """)
    static let gif = decoded(
        """
        R0lGODdhFAAMAIMAAMbIi8agjIS+YEjIoxLILTCgYMZ4cIR4tUh4bBJ4G8Y8lYQ8Y6gKFUg8NhI8DjAKBiwAAAAAFAAMAAAIggAfCBxIkIHBgwgdECTYAKFDBg4iKm
        xAkeKCixgVaFQg0UFFixgXbNzY8WNIkSM1JliZoAGCly8PyJwp04ABlglgxqR5wKZPlgUKwOQpwKfNACsJBC0woKlMAVAFBJg6lYDVoE2dRhUAgGoAA1aVMs26FYBZ
        s1zDEsg6gEBZtFwBBAQAOw==
        """)

    /// A JSON array of three images as bare base64.
    static let base64List = list([png(1), png(2), png(3)].map(base64))

    static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    /// A JSON array of texts that need no escaping.
    static func list(_ texts: [String]) -> String { "[" + texts.map { "\"\($0)\"" }.joined(separator: ",") + "]" }

    private static func decoded(_ base64: String) -> [UInt8] {
        [UInt8](Data(base64Encoded: base64, options: .ignoreUnknownCharacters) ?? Data())
    }

    private static func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
        let checked = Array(type.utf8) + data
        return bigEndian(UInt32(data.count)) + checked + bigEndian(CRC32.checksum(checked))
    }

    private static func adler32(_ bytes: [UInt8]) -> [UInt8] {
        var sums = (UInt32(1), UInt32(0))
        for byte in bytes {
            sums.0 = (sums.0 + UInt32(byte)) % 65_521
            sums.1 = (sums.1 + sums.0) % 65_521
        }
        return bigEndian(sums.1 << 16 | sums.0)
    }

    private static func bigEndian(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
}

/// The internet, as far as tests need one: what each URL gives, and which were asked for.
final class TestFetcher: ImageFetcher {
    private struct State {
        var outcomes: [String: Result<[UInt8], ImageFetchProblem>] = [:]
        var fetched: [String] = []
        var crowd = 0
    }

    let acceptsPlainHTTP: Bool
    private let state = Mutex(State())
    private let arrivals = WakeSignal()

    init(acceptsPlainHTTP: Bool = false) {
        self.acceptsPlainHTTP = acceptsPlainHTTP
    }

    /// What was asked for, in alphabetical order, because images are fetched side by side.
    var fetched: [String] { state.withLock { $0.fetched.sorted() } }

    func serve(_ url: String, _ bytes: [UInt8]) { state.withLock { $0.outcomes[url] = .success(bytes) } }

    func refuse(_ url: String, _ problem: ImageFetchProblem) { state.withLock { $0.outcomes[url] = .failure(problem) } }

    /// Answers nobody before that many have asked.
    func answerOnlyCrowd(of count: Int) { state.withLock { $0.crowd = count } }

    /// Asks for an image that no request names.
    func fetch(_ url: String, before deadline: ContinuousClock.Instant) async throws(ImageFetchProblem) -> [UInt8] {
        try await fetch(url, holding: .unlimited(), before: deadline)
    }

    func fetch(
        _ url: String, holding memory: MemoryReservation, before deadline: ContinuousClock.Instant
    ) async throws(ImageFetchProblem) -> [UInt8] {
        state.withLock { $0.fetched.append(url) }
        arrivals.notify()
        while ContinuousClock.now < deadline {
            let seen = arrivals.count
            if state.withLock({ $0.fetched.count >= $0.crowd }) { break }
            await arrivals.wait(after: seen, atMost: .seconds(1))
        }
        guard let outcome = state.withLock({ $0.outcomes[url] }) else { throw .unavailable(reason: "could not be fetched") }
        let bytes = try outcome.get()
        do {
            try memory.grow(by: bytes.count)
        } catch {
            throw .refused(error)
        }
        return bytes
    }
}

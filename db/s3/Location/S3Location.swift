package import Personas

/// Where the objects of images lie: `s3://bucket/prefix?endpoint=https://s3.example&region=eu-1`.
///
/// The query may also have `path-style=false`, which puts the bucket into the name of the host and not into the path, and `sse=AES256` or
/// `sse=aws:kms`, with which the store is asked to encrypt what it stores.
package struct S3Location: Sendable, Equatable {
    /// How the store is asked to encrypt objects.
    enum Encryption: String, Sendable {
        case ownKeys = "AES256"
        case keyService = "aws:kms"
    }

    /// The setting that holds it.
    static let setting = "media"
    private static let bytesMax = 2_048
    private static let prefixBytesMax = 512
    private static let regionBytesMax = 63
    private static let defaultRegion = "us-east-1"

    /// The name of the bucket.
    package let bucket: String
    /// What all names of objects begin with, up to a slash; empty where there is none.
    package let prefix: String
    /// The region that requests are signed for.
    package let region: String
    /// Where the store answers.
    let endpoint: S3Endpoint
    /// Whether the bucket stands in the path, and not in the name of the host.
    let isPathStyle: Bool
    /// What is asked for; nil where the bucket's own setting is to hold.
    let encryption: Encryption?

    /// Reads one.
    /// - Throws: `configuration`, which says what is wrong with it.
    package init(_ text: String) throws(Failure) {
        guard text.utf8.count <= Self.bytesMax, text.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else {
            throw Self.refusal("has spaces or characters beyond ASCII, or more than \(Self.bytesMax) characters")
        }
        let scheme = "s3://".utf8
        guard text.utf8.starts(with: scheme) else {
            throw Self.refusal("must be an address such as s3://bucket/prefix?region=eu-central-1")
        }
        let rest = text.utf8.dropFirst(scheme.count)
        let place = rest.prefix { $0 != UInt8(ascii: "?") }
        let name = place.prefix { $0 != UInt8(ascii: "/") }
        let query = try S3LocationQuery(Array(rest.dropFirst(place.count + 1)))
        bucket = try Self.bucket(Array(name))
        prefix = try Self.prefix(Array(place.dropFirst(name.count + 1)))
        guard let region = query.region ?? (query.endpoint == nil ? nil : Self.defaultRegion) else {
            throw Self.refusal("names neither a region nor an endpoint")
        }
        guard 1...Self.regionBytesMax ~= region.utf8.count,
            region.utf8.allSatisfy({ Self.isLetterOrDigit($0) || $0 == UInt8(ascii: "-") })
        else { throw Self.refusal("has a region of other characters than a-z, 0-9 and hyphens") }
        self.region = region
        endpoint = try S3Endpoint(query.endpoint ?? "https://s3.\(region).amazonaws.com")
        isPathStyle = try query.isPathStyle ?? true
        encryption = try query.encryption
        guard isPathStyle || !endpoint.isAddress else { throw Self.refusal("has path-style=false with an endpoint that is no name") }
        // A certificate for all names below the endpoint is good for one part more, not for two.
        guard isPathStyle || !bucket.utf8.contains(UInt8(ascii: ".")) else {
            throw Self.refusal("has path-style=false with a bucket whose name has a dot")
        }
    }

    /// The value of the header `Host`.
    var host: String { isPathStyle ? endpoint.authority : "\(bucket).\(endpoint.authority)" }

    /// The address, without a path.
    var origin: String { "\(endpoint.scheme)://\(host)" }

    /// The path of an object, or of the bucket itself, percent-encoded.
    func path(_ name: String? = nil) -> String {
        let path = (isPathStyle ? "/\(bucket)" : "") + (name.map { "/\($0)" } ?? "")
        return path.isEmpty ? "/" : Signature.encoded(path, keeping: UInt8(ascii: "/"))
    }

    /// The failure of a location that is wrong.
    static func refusal(_ reason: String) -> Failure { .configuration(setting: setting, reason: reason) }

    static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
    }

    private static func bucket(_ name: [UInt8]) throws(Failure) -> String {
        guard !name.isEmpty else { throw refusal("names no bucket") }
        let marks = [UInt8(ascii: "-"), UInt8(ascii: ".")]
        let isInOrder =
            3...63 ~= name.count && name.allSatisfy { isLetterOrDigit($0) || marks.contains($0) }
            && !marks.contains(name[0]) && !marks.contains(name[name.count - 1])
            && !zip(name, name.dropFirst()).contains { $0 == UInt8(ascii: ".") && $1 == UInt8(ascii: ".") }
        guard isInOrder else { throw refusal("names a bucket that is not 3 to 63 of a-z, 0-9, hyphens and dots") }
        return String(decoding: name, as: UTF8.self)
    }

    /// What names begin with. A slash at the end may be there or not.
    private static func prefix(_ text: [UInt8]) throws(Failure) -> String {
        let parts = (text.last == UInt8(ascii: "/") ? text.dropLast() : text[...])
            .split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard text.count <= prefixBytesMax else { throw refusal("has a prefix of more than \(prefixBytesMax) characters") }
        guard !parts.allSatisfy(\.isEmpty) || text.isEmpty else { throw refusal("has a prefix with an empty part") }
        guard !text.isEmpty else { return "" }
        for part in parts {
            guard !part.isEmpty else { throw refusal("has a prefix with an empty part") }
            // Proxies resolve such parts, and then the signature is of another path.
            guard !part.allSatisfy({ $0 == UInt8(ascii: ".") }) else { throw refusal("has a prefix with a part of dots alone") }
            guard part.allSatisfy({ isLetterOrDigit($0 | 0x20) || isLetterOrDigit($0) || "-._~".utf8.contains($0) }) else {
                throw refusal("has a prefix with other characters than letters, digits, hyphens, dots, underscores and tildes")
            }
        }
        return String(decoding: Array(parts.joined(separator: [UInt8(ascii: "/")])), as: UTF8.self) + "/"
    }
}

import Crypto
import Foundation
import Personas

/// AWS Signature Version 4 of one request, in the header `Authorization`, for a body whose digest is known. It does nothing but compute.
struct Signature: Sendable {
    /// What is signed: the request as both sides write it.
    struct Subject: Sendable {
        /// In capital letters.
        let method: String
        /// Percent-encoded already, from the first slash on.
        let path: String
        /// Names and values, not encoded.
        let query: [(name: String, value: String)]
        /// All that are to be signed, `host` and those that begin with `x-amz-` among them. Of each name one.
        let headers: [(name: String, value: String)]
        /// SHA-256 of the body in hexadecimal, as `x-amz-content-sha256` has it.
        let payloadDigest: String
    }

    private static let algorithm = "AWS4-HMAC-SHA256"
    private static let service = "s3"

    /// The request in the one form that is hashed.
    let canonicalRequest: String
    /// What the key is applied to.
    let stringToSign: String
    /// The signature, 64 hexadecimal digits.
    let signature: String
    /// The value of the header `Authorization`.
    let authorization: String

    /// - Parameter moment: as `x-amz-date` has it, `20130524T000000Z`.
    init(of subject: Subject, by credentials: S3Credentials, region: String, at moment: String) {
        let headers = subject.headers.map { (name: Self.lowercased($0.name), value: Self.trimmed($0.value)) }.sorted { $0.name < $1.name }
        let signedNames = headers.map(\.name).joined(separator: ";")
        let lines = headers.map { "\($0.name):\($0.value)\n" }.joined()
        canonicalRequest =
            "\(subject.method)\n\(subject.path)\n\(Self.canonical(subject.query))\n\(lines)\n\(signedNames)\n\(subject.payloadDigest)"
        let day = String(decoding: moment.utf8.prefix(8), as: UTF8.self)
        let scope = "\(day)/\(region)/\(Self.service)/aws4_request"
        let digest = hexadecimal(Array(SHA256.hash(data: Array(canonicalRequest.utf8))))
        stringToSign = "\(Self.algorithm)\n\(moment)\n\(scope)\n\(digest)"
        let key = [day, region, Self.service, "aws4_request"].reduce(SymmetricKey(data: Array("AWS4\(credentials.secretAccessKey)".utf8))) {
            SymmetricKey(data: Self.code(of: $1, key: $0))
        }
        signature = hexadecimal(Array(Self.code(of: stringToSign, key: key)))
        authorization =
            "\(Self.algorithm) Credential=\(credentials.accessKeyID)/\(scope),SignedHeaders=\(signedNames),Signature=\(signature)"
    }

    /// A moment as `x-amz-date` has it.
    static func text(of moment: Timestamp) -> String {
        let parts = moment.text.utf8.prefix { $0 != UInt8(ascii: ".") }.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ":") }
        return String(decoding: parts, as: UTF8.self) + "Z"
    }

    /// A query as it is signed, which is also a way to send it: encoded, in the order of the encoded names.
    static func canonical(_ query: [(name: String, value: String)]) -> String {
        let parts = query.map { (name: encoded($0.name), value: encoded($0.value)) }.sorted { ($0.name, $0.value) < ($1.name, $1.value) }
        return parts.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }

    /// Percent-encodes all bytes but those that RFC 3986 reserves for nothing.
    /// - Parameter kept: a byte that stays beside those, the slash in a path.
    static func encoded(_ text: String, keeping kept: UInt8? = nil) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), kept:
                result.append(byte)
            default:
                let digits = "0123456789ABCDEF".utf8.map(\.self)
                result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func code(of text: String, key: SymmetricKey) -> HMAC<SHA256>.MAC {
        HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key)
    }

    private static func lowercased(_ name: String) -> String {
        String(decoding: name.utf8.map { 0x41...0x5A ~= $0 ? $0 + 0x20 : $0 }, as: UTF8.self)
    }

    /// A header's value without spaces around it, and with one in the place of several within.
    private static func trimmed(_ value: String) -> String {
        value.utf8.split(separator: UInt8(ascii: " ")).map { String(decoding: Array($0), as: UTF8.self) }.joined(separator: " ")
    }
}

import AsyncHTTPClient
import NIOHTTP1
import Personas
import Testing

@testable import PersonasS3

/// Against the examples of "Signature Calculations for the Authorization Header" in the manual of Amazon S3, and one with the token of a session.
@Suite("Signatures of requests")
struct SignatureTests {
    /// One of the examples.
    struct Example: Sendable, CustomTestStringConvertible {
        let name: String
        let subject: Signature.Subject
        var token: String?
        /// The hash of the canonical request.
        let hash: String
        let signature: String
        let signedHeaders: String

        var testDescription: String { name }
    }

    private static let moment = "20130524T000000Z"
    private static let emptyDigest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    private static let textDigest = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
    private static let token = """
        AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT+FvwqnKwRcOIfrRh3c/LTo6UDdyJwOOvEVPv\
        LXCrrrUtdnniCEXAMPLE/IvU1dYUg2RVAJBanLiHb4IgRmpRV3zrkuWJOgQs8IZZaIv2BXIa2R4Olgk
        """

    private static func subject(
        _ method: String, _ path: String, query: [(name: String, value: String)] = [], headers: [(name: String, value: String)] = [],
        host: String = "examplebucket.s3.amazonaws.com", digest: String = emptyDigest
    ) -> Signature.Subject {
        let always = [("Host", host), ("x-amz-date", moment), ("x-amz-content-sha256", digest)]
        return Signature.Subject(method: method, path: path, query: query, headers: headers + always, payloadDigest: digest)
    }

    static let examples: [Example] = [
        Example(
            name: "a range of an object", subject: subject("GET", "/test.txt", headers: [("Range", "bytes=0-9")]),
            hash: "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            signedHeaders: "host;range;x-amz-content-sha256;x-amz-date"),
        Example(
            name: "an object that is put",
            subject: subject(
                "PUT", Signature.encoded("/test$file.text", keeping: UInt8(ascii: "/")),
                headers: [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")], digest: textDigest),
            hash: "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            signedHeaders: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class"),
        Example(
            name: "the lifecycle of a bucket", subject: subject("GET", "/", query: [("lifecycle", "")]),
            hash: "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            signedHeaders: "host;x-amz-content-sha256;x-amz-date"),
        Example(
            name: "a listing", subject: subject("GET", "/", query: [("prefix", "J"), ("max-keys", "2")]),
            hash: "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            signedHeaders: "host;x-amz-content-sha256;x-amz-date"),
        Example(
            name: "the beginning of an object in chunks",
            subject: subject(
                "PUT", "/examplebucket/chunkObject.txt",
                headers: [
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"), ("Content-Encoding", "aws-chunked"),
                    ("x-amz-decoded-content-length", "66560"), ("Content-Length", "66824"),
                ], host: "s3.amazonaws.com", digest: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            hash: "cee3fed04b70f867d036f722359b0b1f2f0e5dc0efadbc082b76c4c60e316455",
            signature: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
            signedHeaders:
                "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class"),
        Example(
            name: "a range within a session",
            subject: subject("GET", "/test.txt", headers: [("x-amz-security-token", token), ("Range", " bytes=0-9 ")]), token: token,
            hash: "da47c4569f7e70b9dd2aca9c1e7b6fbd7a9689777534972f5ccac8b8cb9cc87b",
            signature: "e0d5ebf477fc7f7a985c6b158dbeee7ffe2aca0f7a53f6511e291f7f7ed2e654",
            signedHeaders: "host;range;x-amz-content-sha256;x-amz-date;x-amz-security-token"),
    ]

    private static func credentials(token: String? = nil) throws -> S3Credentials {
        var environment = [
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ]
        environment["AWS_SESSION_TOKEN"] = token
        return try S3Credentials(environment: environment)
    }

    @Test("are those of the manual's examples", arguments: examples)
    func manual(example: Example) throws {
        let signature = Signature(
            of: example.subject, by: try Self.credentials(token: example.token), region: "us-east-1", at: Self.moment)
        #expect(
            signature.stringToSign == "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\(example.hash)",
            "\(signature.canonicalRequest)")
        #expect(
            signature.authorization
                == """
                AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                SignedHeaders=\(example.signedHeaders),Signature=\(example.signature)
                """)
    }

    @Test("are of the request as it is sent: every header that it has but two, its path and its query")
    func sent() throws {
        let location = try S3Location("s3://bucket/some/images?endpoint=http://127.0.0.1:9&region=eu-1&sse=aws:kms")
        let now = try #require(Timestamp(text: "2026-11-23T04:05:06.789Z"))
        let put = S3Request.put([1, 2], digest: [UInt8](repeating: 255, count: 32), name: "a/b", encryption: location.encryption)
            .signed(for: location, by: try Self.credentials(token: "token"), at: now)
        #expect(put.url == "http://127.0.0.1:9/bucket/a/b")
        let headers = Dictionary(uniqueKeysWithValues: put.headers.map { ($0.name, $0.value) })
        let authorization = headers["authorization"] ?? ""
        #expect(
            headers.filter { $0.key != "authorization" } == [
                "content-type": "application/octet-stream", "if-none-match": "*", "host": "127.0.0.1:9", "user-agent": "personas",
                "x-amz-content-sha256": String(repeating: "f", count: 64), "x-amz-date": "20261123T040506Z",
                "x-amz-security-token": "token",
                "x-amz-server-side-encryption": "aws:kms",
            ])
        let signed = headers.keys.filter { $0 != "authorization" && $0 != "user-agent" }.sorted().joined(separator: ";")
        #expect(authorization.contains("/20261123/eu-1/s3/aws4_request,SignedHeaders=\(signed),"))

        let list = S3Request.list(prefix: "some images/ab/", count: 7, after: "1/=+")
            .signed(for: location, by: try Self.credentials(), at: now)
        #expect(
            list.url == "http://127.0.0.1:9/bucket?continuation-token=1%2F%3D%2B&list-type=2&max-keys=7&prefix=some%20images%2Fab%2F")
    }

    @Test("show nothing of the secrets that they are made with")
    func secrets() throws {
        let credentials = try Self.credentials(token: "secret-token")
        var shown = "\(credentials) \(String(reflecting: credentials))"
        dump(credentials, to: &shown)
        for secret in ["wJalr", "secret-token", "AKIA"] { #expect(!shown.contains(secret), "\(shown)") }
    }
}

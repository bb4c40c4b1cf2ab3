import NIOHTTP1
import Personas
import TestSupport
import Testing

@testable import PersonasS3

@Suite("What a store of objects answers")
struct S3AnswersTests {
    private static func elements(_ text: String) -> [String]? {
        var found: [String] = []
        let isWhole = XMLElements.read(Array(text.utf8)) { path, text in found.append("\(path.joined(separator: "/"))=\(text)") }
        return isWhole ? found : nil
    }

    @Test("is read as elements with their texts")
    func elements() {
        let text = """
            <?xml version="1.0" encoding="UTF-8"?>
            <!-- no <element> -->
            <a xmlns="http://s3.example/>" b='"'><b>1 &lt;&amp;&#65;&#x42;&gt;&quot;&apos;ä</b ><c/><c d="e"/><d><e> </e></d></a>

            """
        #expect(Self.elements(text) == ["a/b=1 <&AB>\"'ä", "a/c=", "a/c=", "a/d/e= ", "a/d=", "a="])
    }

    @Test(
        "is nothing where it is not whole, or anything else than elements and texts",
        arguments: [
            "", " ", "text", "<a>", "<a></b>", "<a></a", "<a", "</a>", "<a/><b/>", "<a></a>text", "<a>&b;</a>", "<a>&#xD800;</a>",
            "<a>&amp</a>",
            "<a>&#;</a>", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "<a><![CDATA[b]]></a>", "<a b=\"></a>", "<a <b/></a>", "<>", "<1",
            "<a><!-- </a>", String(repeating: "<a>", count: 17) + String(repeating: "</a>", count: 17),
            "<\(String(repeating: "a", count: 129))/>",
        ])
    func malformed(text: String) {
        #expect(Self.elements(text) == nil)
    }

    @Test("does not stop the reader, however it is damaged")
    func damaged() {
        let text = Array("<?xml?><Error><!-- c --><Code d='e'>NoSuch&amp;Key</Code><f/></Error>".utf8)
        var random = SplitMix64(seed: 1)
        for _ in 0..<20_000 {
            var damaged = text
            for _ in 0..<Int.random(in: 1...3, using: &random) where !damaged.isEmpty {
                let place = Int.random(in: 0..<damaged.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: damaged[place] = UInt8.random(in: 0...255, using: &random)
                case 1: damaged.remove(at: place)
                default: damaged.removeLast(damaged.count - place)
                }
            }
            _ = XMLElements.read(damaged) { path, _ in #expect(!path.isEmpty) }
        }
    }

    @Test("dates what it answers, and says in seconds or as a date when it wants to be asked again")
    func dates() throws {
        let moment = try #require(Timestamp(text: "1994-11-06T08:49:37Z"))
        #expect(HTTPDate.moment("Sun, 06 Nov 1994 08:49:37 GMT") == moment)
        for text in ["", "Sun, 06 Nov 1994 08:49:37 CET ", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun Nov  6 08:49:37 1994     "] {
            #expect(HTTPDate.moment(text) == nil, "\(text)")
        }
        #expect(HTTPDate.seconds(retryAfter: "17", now: moment) == 17)
        #expect(HTTPDate.seconds(retryAfter: "Sun, 06 Nov 1994 08:50:07 GMT", now: moment) == 30)
        #expect(HTTPDate.seconds(retryAfter: "Sun, 06 Nov 1994 08:40:07 GMT", now: moment) == 0)
        for text in ["", "-1", "1.5", "soon"] { #expect(HTTPDate.seconds(retryAfter: text, now: moment) == nil) }
    }

    private static let location = try? S3Location("s3://bucket/p?region=x")
    private static let name = "p/ab/ab\(String(repeating: "01", count: 31))/01234567-89ab-4def-8123-456789abcdef"

    private static func page(_ content: String, root: String = "ListBucketResult") throws -> ListingPage? {
        let location = try #require(location)
        return ListingPage(Array("<\(root)>\(content)</\(root)>".utf8), in: location)
    }

    @Test("lists objects with their times, of which those are passed over that are no blobs")
    func listing() throws {
        let page = try #require(
            try Self.page(
                """
                <Name>bucket</Name><IsTruncated>true</IsTruncated><Contents><Key>p/ab/note</Key><LastModified>2026-01-01T00:00:00Z</LastModified>\
                </Contents><Contents><Key>\(Self.name)</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><Size>12</Size><Owner><ID>Key</ID></Owner>\
                </Contents><Contents><Key>\(Self.name)</Key></Contents><NextContinuationToken>a&amp;b</NextContinuationToken>
                """))
        let location = try #require(Self.location)
        let key = try #require(ObjectName.key(named: Self.name, in: location))
        let moment = try #require(Timestamp(text: "2026-01-02T03:04:05.678Z"))
        #expect(page.blobs == [ListedBlob(key: key, modifiedAt: moment, byteCount: 12)])
        #expect(page.nextToken == "a&b")
        let last = try #require(try Self.page("<IsTruncated>false</IsTruncated><NextContinuationToken>x</NextContinuationToken>"))
        #expect(last.blobs.isEmpty && last.nextToken == nil)
    }

    @Test("is no listing unless it says whether it goes on, and how")
    func noListing() throws {
        for content in ["", "<IsTruncated>true</IsTruncated>", "<IsTruncated>yes</IsTruncated>"] { #expect(try Self.page(content) == nil) }
        #expect(try Self.page("<IsTruncated>true</IsTruncated><NextContinuationToken/>") == nil)
        #expect(try Self.page("<IsTruncated>false</IsTruncated>", root: "Error") == nil)
    }

    @Test("names the reason for a refusal, and nothing else is kept of it")
    func refusal() throws {
        let body = "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>secret</StringToSign><Message>secret</Message></Error>"
        let refusal = S3Refusal(403, ["x-amz-bucket-region": "eu-1"], body: Array(body.utf8), now: .now)
        #expect(refusal.text == "403 SignatureDoesNotMatch, the bucket is in eu-1")
        #expect(!"\(refusal)".contains("secret"))
        #expect(S3Refusal(403, [:], body: Array("<Error><Code>a b\n</Code></Error>".utf8), now: .now).text == "403")
        #expect(S3Refusal(403, [:], body: nil, now: .now).text == "403")
    }

    @Test(
        "shows what may be done about a refusal",
        arguments: [
            (500, "InternalError", .retry), (503, "SlowDown", .retry), (502, nil, .retry), (504, nil, .retry), (429, nil, .retry),
            (408, nil, .retry), (400, "RequestTimeout", .retry), (409, "OperationAborted", .retry),
            (403, "RequestTimeTooSkewed", .adoptTime), (403, "AccessDenied", .none), (403, nil, .none), (400, "BadDigest", .none),
            (501, "NotImplemented", .none), (404, "NoSuchBucket", .none), (301, "PermanentRedirect", .none), (307, nil, .none),
        ] as [(Int, String?, S3Refusal.Remedy)])
    func remedies(status: Int, code: String?, remedy: S3Refusal.Remedy) {
        let body = code.map { Array("<Error><Code>\($0)</Code></Error>".utf8) }
        #expect(S3Refusal(status, [:], body: body, now: .now).remedy == remedy)
    }

    @Test("is asked for again no more than once in ten calls, once what is saved is used up")
    func budget() {
        let budget = RetryBudget()
        #expect((0..<100).filter { _ in budget.spend() }.count == 10)
        var retries = 0
        for _ in 0..<1_000 {
            budget.earn()
            if budget.spend() { retries += 1 }
        }
        #expect(retries == 100)
    }
}

import ErrorEnvelopeHummingbird
import HTTPTypes
import TestSupport
import Testing

/// The header `traceparent`, by the rules and the conformance tests of W3C Trace Context, level 2.
@Suite("traceparent")
struct TraceParentTests {
    private static let trace = "12345678901234567890123456789012"
    private static let parent = "1234567890123456"

    @Test(
        "is read where it is valid",
        arguments: [
            "00-12345678901234567890123456789012-1234567890123456-01",
            "00-12345678901234567890123456789012-1234567890123456-00",
            // Every bit of the flags may be set.
            "00-12345678901234567890123456789012-1234567890123456-ff",
            "00-12345678901234567890123456789012-1234567890123456-03",
            // Blanks around the value.
            " 00-12345678901234567890123456789012-1234567890123456-01",
            "\t00-12345678901234567890123456789012-1234567890123456-01",
            "00-12345678901234567890123456789012-1234567890123456-01 ",
            "00-12345678901234567890123456789012-1234567890123456-01\t",
            "\t 00-12345678901234567890123456789012-1234567890123456-01 \t",
            // Later versions, which may go on.
            "cc-12345678901234567890123456789012-1234567890123456-01",
            "01-12345678901234567890123456789012-1234567890123456-01",
            "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
            "cc-12345678901234567890123456789012-1234567890123456-01-",
            "fe-12345678901234567890123456789012-1234567890123456-01-\"\r",
        ])
    func valid(_ text: String) throws {
        let read = try #require(TraceParent(text))
        #expect(read.traceID == Self.trace)
        #expect(read.parentID == Self.parent)
        #expect(TraceParent([.traceParent: text.filter { $0 != "\r" && $0 != "\"" }]) == read)
    }

    @Test(
        "is ignored where it is not",
        arguments: [
            "", " ", "-", "00", "00-", "00-12345678901234567890123456789012", "00-12345678901234567890123456789012-1234567890123456",
            "00-12345678901234567890123456789012-1234567890123456-",
            // Version 00 ends with the flags.
            "00-12345678901234567890123456789012-1234567890123456-01-",
            "00-12345678901234567890123456789012-1234567890123456-01.",
            "00-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
            // A later version goes on behind a hyphen or not at all.
            "cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-be-like",
            "cc-12345678901234567890123456789012-1234567890123456-011",
            "cc-12345678901234567890123456789012-1234567890123456-0",
            // Forbidden and malformed versions.
            "ff-12345678901234567890123456789012-1234567890123456-01",
            "FF-12345678901234567890123456789012-1234567890123456-01",
            ".0-12345678901234567890123456789012-1234567890123456-01",
            "0.-12345678901234567890123456789012-1234567890123456-01",
            "0-12345678901234567890123456789012-1234567890123456-01",
            "000-12345678901234567890123456789012-1234567890123456-01",
            "CC-12345678901234567890123456789012-1234567890123456-01",
            // All zero.
            "00-00000000000000000000000000000000-1234567890123456-01",
            "00-12345678901234567890123456789012-0000000000000000-01",
            "cc-00000000000000000000000000000000-1234567890123456-01",
            // Upper case, and what is not hexadecimal.
            "00-1234567890123456789012345678901A-1234567890123456-01",
            "00-ABCDEF78901234567890123456789012-1234567890123456-01",
            "00-12345678901234567890123456789012-123456789012345F-01",
            "00-12345678901234567890123456789012-1234567890123456-0A",
            "00-.2345678901234567890123456789012-1234567890123456-01",
            "00-1234567890123456789012345678901.-1234567890123456-01",
            "00-12345678901234567890123456789012-.234567890123456-01",
            "00-12345678901234567890123456789012-1234567890123456-.0",
            "00-12345678901234567890123456789012-1234567890123456-0.",
            "00-1234567890123456789012345678901g-1234567890123456-01",
            // Wrong lengths.
            "00-123456789012345678901234567890123-1234567890123456-01",
            "00-1234567890123456789012345678901-1234567890123456-01",
            "00-12345678901234567890123456789012-12345678901234567-01",
            "00-12345678901234567890123456789012-123456789012345-01",
            "00-12345678901234567890123456789012-1234567890123456-001",
            "00-12345678901234567890123456789012-1234567890123456-1",
            // Other separators, and blanks within.
            "00_12345678901234567890123456789012_1234567890123456_01",
            "00 12345678901234567890123456789012 1234567890123456 01",
            "00 -12345678901234567890123456789012-1234567890123456-01",
            "00-12345678901234567890123456789012-1234567890123456-01,",
            "00-12345678901234567890123456789012-1234567890123456-01 x",
            // Two values in one line.
            "00-12345678901234567890123456789012-1234567890123456-01,00-12345678901234567890123456789012-1234567890123456-01",
            "cc-12345678901234567890123456789012-1234567890123456-01, cc-12345678901234567890123456789012-1234567890123456-01",
            // Digits that are none in ASCII, and other blanks.
            "00-１2345678901234567890123456789012-1234567890123456-01",
            "\u{A0}00-12345678901234567890123456789012-1234567890123456-01",
        ])
    func invalid(_ text: String) {
        #expect(TraceParent(text) == nil)
    }

    @Test("counts only when it came once, by exactly its name, in whatever case")
    func headers() throws {
        let valid = "00-12345678901234567890123456789012-1234567890123456-01"
        func read(_ headers: [(String, String)]) throws -> TraceParent? {
            var fields = HTTPFields()
            for (name, value) in headers { fields.append(HTTPField(name: try #require(HTTPField.Name(name)), value: value)) }
            return TraceParent(fields)
        }
        for name in ["traceparent", "TraceParent", "TRACEPARENT"] {
            #expect(try read([(name, valid), ("X-Other", "1")]) != nil, "\(name)")
        }
        for name in ["trace-parent", "trace.parent", "tracestate", "x-traceparen"] { #expect(try read([(name, valid)]) == nil, "\(name)") }
        #expect(try read([]) == nil)
        #expect(try read([("traceparent", valid), ("traceparent", valid)]) == nil)
        #expect(try read([("traceparent", valid), ("TraceParent", "")]) == nil)
        #expect(try read([("traceparent", "nonsense"), ("traceparent", valid)]) == nil)
    }

    @Test("any ids come back as they were sent, and no change of one byte smuggles anything in")
    func properties() throws {
        var random = SplitMix64(seed: 8)
        let digits = Array("0123456789abcdef".utf8)
        for _ in 0..<2_000 {
            func id(_ count: Int) -> [UInt8] { (0..<count).map { _ in digits[Int.random(in: 0..<16, using: &random)] } }
            let (trace, parent, flags) = (id(32), id(16), id(2))
            let hyphen = [UInt8(ascii: "-")]
            let bytes = Array("00".utf8) + hyphen + trace + hyphen + parent + hyphen + flags
            let read = try #require(TraceParent(String(decoding: bytes, as: UTF8.self)))
            #expect(Array(read.traceID.utf8) == trace && Array(read.parentID.utf8) == parent)
            var changed = bytes
            changed[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...127, using: &random)
            guard let other = TraceParent(String(decoding: changed, as: UTF8.self)) else { continue }
            #expect(other.traceID.utf8.count == 32 && other.parentID.utf8.count == 16)
            #expect((other.traceID + other.parentID).utf8.allSatisfy(digits.contains))
        }
    }
}

extension HTTPField.Name {
    fileprivate static let traceParent = HTTPField.Name("traceparent")!
}

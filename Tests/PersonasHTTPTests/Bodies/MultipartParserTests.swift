import Personas
import PersonasWire
import Testing

/// Notes what a parser hands out, piece upon piece.
private struct PartRecorder: MultipartReceiver {
    struct Part: Equatable {
        let name: String
        var content: [UInt8] = []
        var isWhole = false
    }

    var parts: [Part] = []

    mutating func begin(_ part: MultipartPart) { parts.append(Part(name: String(decoding: part.name, as: UTF8.self))) }

    mutating func take(_ content: UnsafeRawBufferPointer) {
        #expect(!content.isEmpty)
        parts[parts.count - 1].content += content
    }

    mutating func end() { parts[parts.count - 1].isWhole = true }
}

/// Forms as bytes, taken apart in pieces of every size.
@Suite("The parser of forms")
struct MultipartParserTests {
    private typealias Parts = [(name: String, content: String)]

    /// What becomes of a body, which is the same however it is cut into pieces.
    private static func outcome(of body: String, boundary: String = "b") -> Result<[[String]], Failure> {
        let bytes = Array(body.utf8)
        func outcome(pieces size: Int) -> Result<[[String]], Failure> {
            var recorder = PartRecorder()
            do throws(Failure) {
                guard let boundary = MultipartBoundary(Array(boundary.utf8)) else { throw .unexpected("no boundary") }
                var parser = MultipartParser(boundary: boundary)
                try bytes.withUnsafeBufferPointer { (buffer) throws(Failure) in
                    for start in stride(from: 0, to: bytes.count, by: size) {
                        let piece = UnsafeBufferPointer(rebasing: buffer[start..<min(start + size, bytes.count)])
                        try parser.take(UnsafeRawBufferPointer(piece), into: &recorder)
                    }
                }
                try parser.finish()
            } catch {
                return .failure(error)
            }
            #expect(recorder.parts.allSatisfy { $0.isWhole })
            return .success(recorder.parts.map { [$0.name, String(decoding: $0.content, as: UTF8.self)] })
        }
        let whole = outcome(pieces: max(1, bytes.count))
        for size in 1..<min(40, max(2, bytes.count)) { #expect(outcome(pieces: size) == whole, "in pieces of \(size)") }
        return whole
    }

    private static func expect(
        _ body: String, boundary: String = "b", holds parts: Parts, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome(of: body, boundary: boundary) == .success(parts.map { [$0.name, $0.content] }), sourceLocation: sourceLocation)
    }

    private static func expect(_ body: String, isRefused reason: String, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(
            outcome(of: body) == .failure(.invalid([Violation(field: "body", message: "the body \(reason)")])),
            sourceLocation: sourceLocation)
    }

    private static func part(_ header: String = "Content-Disposition: form-data; name=\"n\"", _ content: String = "x") -> String {
        "--b\r\n\(header)\r\n\r\n\(content)\r\n"
    }

    @Test("takes what browsers and curl send")
    func ordinary() {
        Self.expect(Self.part() + "--b--\r\n", holds: [("n", "x")])
        Self.expect(Self.part() + "--b--", holds: [("n", "x")])
        Self.expect("--b--\r\n", holds: [])
        Self.expect("--b--", holds: [])
        Self.expect(Self.part() + Self.part() + "--b--", holds: [("n", "x"), ("n", "x")])
        Self.expect(
            "--b\r\ncontent-type: image/png\r\nCONTENT-DISPOSITION:form-data;name=n;filename=\"ü.png\"\r\n\r\nx\r\n--b--",
            holds: [("n", "x")])
        Self.expect(Self.part(content("name=\"n\"; filename=\"\""), "") + "--b--", holds: [("n", "")])
        // What stands in front of the first boundary and behind the last means nothing.
        Self.expect("hello\r\n--c\r\n" + Self.part() + "--b--\r\n" + Self.part() + "anything", holds: [("n", "x")])
        Self.expect("\r\n" + Self.part() + "--b-- \r\n", holds: [("n", "x")])
        Self.expect("--b \t \r\n" + Self.part().dropFirst(4) + "--b--", holds: [("n", "x")])
        Self.expect(
            "---------------------------7\r\n" + Self.part().dropFirst(4) + "---------------------------7--",
            boundary: "-------------------------7", holds: [("n", "x")])
    }

    @Test("keeps every byte of a part's content, whatever looks like a boundary")
    func contents() {
        for content in [
            "", "\r", "\n", "\r\n", "\r\r", "\r\n-", "\r\n--", "\r\n--a", "\r\n--\r\n--", "--b", "x--b--", "\n--b\n", "\r--b",
            "\r\n\r\n--a\r\n",
            "\r\r\n--", "\r\n\r\n\r\n", "\r\n-\r\n--\r\n-", "\0\u{1}é🙂", String(repeating: "\r", count: 90),
            String(repeating: "\r\n-", count: 30),
        ] {
            Self.expect(Self.part(Self.named("n"), content) + Self.part() + "--b--", holds: [("n", content), ("n", "x")])
        }
        let boundary = String(repeating: "-", count: 69) + "b"
        let content = String(repeating: "\r\n" + String(repeating: "-", count: 70), count: 5)
        Self.expect(
            "--\(boundary)\r\n\(Self.named("n"))\r\n\r\n\(content)\r\n--\(boundary)--", boundary: boundary, holds: [("n", content)])
    }

    private static func named(_ name: String) -> String { "Content-Disposition: form-data; name=\"\(name)\"" }

    private func content(_ parameters: String) -> String { "Content-Disposition: form-data; \(parameters)" }

    @Test("reads names as browsers escape them, and as curl does")
    func names() {
        for (sent, name) in [
            (#"name="a b;c=d""#, "a b;c=d"), (#"name=""; x=y"#, ""), (#"NAME="n""#, "n"), (#"name = "n" ; filename = "f""#, "n"),
            (#"name="é""#, "é"),
            (#"name="a%22b%0D%0Ac""#, "a\"b\r\nc"), (#"name="100%""#, "100%"), (#"name="%2522%41""#, "%2522%41"),
            (#"name="a\"b\\c""#, #"a"b\c"#), (#"name="a\b""#, #"a\b"#), (#"filename="C:\dir\"; name="n""#, nil),
            (#"name="n"; filename="C:\dir\""#, "n"), (#"name="n"; filename*=UTF-8''x"#, "n"), (#"name="n";"#, "n"),
            (#";; name="n";;"#, "n"),
            (#"name="n"; filename="name=\"m\"""#, "n"), (#"filename="; name=m"; name=n"#, "n"), (#"name=a/b:c=d?e"#, "a/b:c=d?e"),
        ] as [(String, String?)] {
            let body = Self.part(content(sent)) + "--b--"
            if let name {
                Self.expect(body, holds: [(name, "x")])
            } else {
                Self.expect(body, isRefused: "has a part with a malformed header")
            }
        }
    }

    @Test("refuses headers that readers disagree on")
    func headers() {
        let malformed = "has a part with a malformed header"
        for header in [
            "Content-Disposition", ": form-data; name=n", "Content-Disposition : form-data; name=n",
            " Content-Disposition: form-data; name=n",
            "Content-Disposition: form-data;\r\n name=n", "Content-Disposition: form-data;\r\n\tname=n", "X: \0\r\n\(Self.named("n"))",
            "X: a\nY: b\r\n\(Self.named("n"))", "X: a\rY: b\r\n\(Self.named("n"))", "\(Self.named("n"))\r\n\(Self.named("n"))",
            content("name=n; name=m"), content("name=\"n"), content("name"), content("name="), content("=n"), content("name=n m"),
            content("name=n\"m\""), "Content-Disposition: form-data name=n",
        ] {
            Self.expect(Self.part(header) + "--b--", isRefused: malformed)
        }
        let nameless = "has a part that is no field with a name"
        for header in [
            "X: y", content("x=y"), "Content-Disposition: attachment; name=n", "Content-Disposition: ; name=n", "Content-Disposition:",
        ] {
            Self.expect(Self.part(header) + "--b--", isRefused: nameless)
        }
        Self.expect("--b\r\n\r\nx\r\n--b--", isRefused: nameless)
    }

    @Test("takes parts as they are, and refuses what would have to be decoded")
    func encodings() {
        for encoding in ["7bit", "8bit", "BINARY", " binary "] {
            Self.expect(Self.part("\(Self.named("n"))\r\nContent-Transfer-Encoding:\(encoding)") + "--b--", holds: [("n", "x")])
        }
        for encoding in ["base64", "quoted-printable", "x-gzip", "", "binary, base64"] {
            Self.expect(
                Self.part("\(Self.named("n"))\r\nContent-Transfer-Encoding: \(encoding)") + "--b--",
                isRefused: "has a part with a Content-Transfer-Encoding; parts must be sent as they are")
        }
    }

    @Test("refuses what is cut off, wherever that is")
    func cut() {
        let body = Self.part() + Self.part(Self.named("m"), "long content\r\n--") + "--b--"
        for count in 0..<body.utf8.count {
            let reason = count < 3 ? "does not begin with the boundary that Content-Type names" : "ends before its closing boundary"
            Self.expect(String(decoding: body.utf8.prefix(count), as: UTF8.self), isRefused: reason)
        }
        Self.expect("{\"name\":\"Nova\"}", isRefused: "does not begin with the boundary that Content-Type names")
        // Lines that end with LF alone hold no boundary but the first.
        Self.expect(Self.part().replacing("\r\n", with: "\n") + "--b--", isRefused: "has a boundary that does not end its line")
    }

    @Test("refuses a boundary with anything behind it")
    func boundaries() {
        for rest in ["x", "-\r\n", "-x", " x\r\n", "\n", "\r\r\n", "\rx", "\t\n", String(repeating: " ", count: 70) + "\r\n"] {
            Self.expect("--b" + rest + Self.part().dropFirst(4) + "--b--", isRefused: "has a boundary that does not end its line")
        }
    }

    @Test("bounds parts, headers and names")
    func bounds() {
        let parts = (0..<MultipartParser.partsMax).map { Self.part(Self.named("n\($0)"), "") }.joined()
        #expect((try? Self.outcome(of: parts + "--b--").get())?.count == MultipartParser.partsMax)
        Self.expect(parts + Self.part() + "--b--", isRefused: "has more than 64 parts")
        let name = String(repeating: "n", count: MultipartPart.nameBytesMax)
        Self.expect(Self.part(Self.named(name)) + "--b--", holds: [(name, "x")])
        Self.expect(Self.part(Self.named(name + "n")) + "--b--", isRefused: "has a part whose name is longer than 256 bytes")
        // The end of the header counts, too.
        let room = MultipartPart.headerBytesMax - Self.named("n").utf8.count - "\r\nX: \r\n\r\n".utf8.count
        for (count, isTaken) in [(room, true), (room + 1, false)] {
            let body = Self.part("\(Self.named("n"))\r\nX: \(String(repeating: "x", count: count))") + "--b--"
            if isTaken {
                Self.expect(body, holds: [("n", "x")])
            } else {
                Self.expect(body, isRefused: "has a part whose header is longer than 4096 bytes")
            }
        }
        // One that never ends is not waited for.
        Self.expect("--b\r\n" + String(repeating: "X: y\r\n", count: 1_000), isRefused: "has a part whose header is longer than 4096 bytes")
    }

    @Test(
        "knows a form by its type, and wants one boundary of RFC 2046",
        arguments: [
            ("multipart/form-data; boundary=b", "b"), ("Multipart/Form-Data;BOUNDARY=\"b c\"", "b c"),
            (" multipart/form-data ; x=y; boundary=b;", "b"),
            ("multipart/form-data; charset=utf-8; boundary=----WebKit0'()+_,-./:=?", "----WebKit0'()+_,-./:=?"),
            ("multipart/form-data; boundary=\(String(repeating: "b", count: 70))", String(repeating: "b", count: 70)),
            ("multipart/form-data; boundary=\(String(repeating: "b", count: 71))", ""), ("multipart/form-data", ""),
            ("multipart/form-data; boundary=", ""), ("multipart/form-data; boundary=\"\"", ""),
            ("multipart/form-data; boundary=\"b \"", ""),
            ("multipart/form-data; boundary=b; boundary=c", ""), ("multipart/form-data; boundary=b c", ""),
            ("multipart/form-data; boundary=\"b", ""),
            ("multipart/form-data; boundary=b*", ""), ("multipart/form-data; boundary=ü", ""), ("multipart/form-data, boundary=b", ""),
        ])
    func contentTypes(type: String, boundary: String) throws {
        let rule = "must name one boundary of 1 to 70 characters that RFC 2046 allows"
        if type.contains(",") && boundary.isEmpty {
            #expect(try MultipartBoundary(contentType: type) == nil)
        } else if boundary.isEmpty {
            #expect(throws: Failure.invalid([Violation("Content-Type", rule)])) { try MultipartBoundary(contentType: type) }
        } else {
            #expect(try MultipartBoundary(contentType: type)?.characters == Array(boundary.utf8))
        }
    }

    @Test(
        "leaves every other type to others",
        arguments: [
            "", "application/json", "multipart/mixed; boundary=b", "multipart/form-datax; boundary=b", "multipart /form-data; boundary=b",
            "form-data",
        ])
    func otherTypes(type: String) throws {
        #expect(try MultipartBoundary(contentType: type) == nil)
    }
}

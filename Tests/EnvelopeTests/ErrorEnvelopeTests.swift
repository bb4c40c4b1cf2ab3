import ErrorEnvelope
import Foundation
import Testing

@Suite("The error envelope")
struct ErrorEnvelopeTests {
    private static let requestID = "0b0e7b7c-6a5e-4c43-9a53-3d1f8f6f2a10"

    @Test(
        "is encoded to exactly these bytes",
        arguments: [
            (
                ErrorEnvelope(code: .notFound, requestID: requestID),
                #"{"error":{"code":"NOT_FOUND","message":"Not found"},"request_id":"0b0e7b7c-6a5e-4c43-9a53-3d1f8f6f2a10"}"#
            ),
            (
                ErrorEnvelope(
                    code: .validationError,
                    message: "The request is invalid: a; b",
                    details: [ErrorDetail(field: "name", message: "a"), ErrorDetail(field: "image_urls", message: "b")],
                    requestID: "r"
                ),
                #"{"error":{"code":"VALIDATION_ERROR","message":"The request is invalid: a; b","details":"#
                    + #"[{"field":"name","message":"a"},{"field":"image_urls","message":"b"}]},"request_id":"r"}"#
            ),
            (
                ErrorEnvelope(
                    code: .nameAlreadyExists,
                    message: "A persona with this name already exists",
                    details: [ErrorDetail(field: "name", message: "already exists", id: "18b2ad5e")],
                    requestID: "r"
                ),
                #"{"error":{"code":"NAME_ALREADY_EXISTS","message":"A persona with this name already exists","details":"#
                    + #"[{"field":"name","message":"already exists","id":"18b2ad5e"}]},"request_id":"r"}"#
            ),
            (
                ErrorEnvelope(
                    code: .imageTooLarge,
                    message: "image[0] is larger",
                    details: [
                        ErrorDetail(field: "image", message: "a", index: 0, code: .imageTooLarge),
                        ErrorDetail(field: "image", message: "b", index: 2, code: .invalidImage),
                    ],
                    requestID: "r"
                ),
                #"{"error":{"code":"IMAGE_TOO_LARGE","message":"image[0] is larger","details":"#
                    + #"[{"field":"image","message":"a","index":0,"code":"IMAGE_TOO_LARGE"},"#
                    + #"{"field":"image","message":"b","index":2,"code":"INVALID_IMAGE"}]},"request_id":"r"}"#
            ),
            (
                ErrorEnvelope(
                    code: .quotaExceeded, details: [ErrorDetail(field: "items", message: "a", limit: 0, used: 3)], requestID: "r"),
                #"{"error":{"code":"QUOTA_EXCEEDED","message":"The quota of the account is used up","details":[{"field":"items","message":"a","limit":0,"used":3}]},"request_id":"r"}"#
            ),
        ] as [(ErrorEnvelope, String)]
    )
    func goldenBytes(envelope: ErrorEnvelope, json: String) throws {
        #expect(String(decoding: envelope.encoded(), as: UTF8.self) == json)
        #expect(try ErrorEnvelope(decoding: envelope.encoded()) == envelope)
    }

    @Test(
        "escapes what could end a string, a log line or a script, and nothing else",
        arguments: [
            ("\"\\", #"\"\\"#), ("a/b", "a/b"), ("\u{8}\t\n\u{c}\r", #"\b\t\n\f\r"#),
            ("\u{0}\u{1}\u{1b}\u{1f}", #"\u0000\u0001\u001b\u001f"#),
            ("\u{7f}\u{80}\u{9f}\u{a0}", "\\u007f\\u0080\\u009f\u{a0}"),
            ("\u{2027}\u{2028}\u{2029}\u{202a}", "\u{2027}\\u2028\\u2029\u{202a}"),
            ("é世😀", "é世😀"), ("", ""), ("\r\n", #"\r\n"#), ("x\u{2028}", #"x\u2028"#),
        ]
    )
    func escapes(text: String, json: String) throws {
        let envelope = ErrorEnvelope(code: .notFound, message: text, requestID: text)
        let encoded = String(decoding: envelope.encoded(), as: UTF8.self)
        #expect(encoded == #"{"error":{"code":"NOT_FOUND","message":"\#(json)"},"request_id":"\#(json)"}"#)
        #expect(try ErrorEnvelope(decoding: envelope.encoded()).error.message == text)
    }

    @Test("encodes every Unicode scalar so that Foundation reads it back")
    func everyScalar() throws {
        let scalars = (0...0x10FFFF).lazy.compactMap(Unicode.Scalar.init).filter { $0.value < 0x3000 || $0.value % 97 == 0 }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        let envelope = ErrorEnvelope(code: .internalError, message: String(text), requestID: "r")
        #expect(try ErrorEnvelope(decoding: envelope.encoded(), bytesMax: .max) == envelope)
    }

    @Test("has the same members when Foundation encodes it")
    func codable() throws {
        let envelope = ErrorEnvelope(code: .conflict, details: [ErrorDetail(field: "lease_token", message: "m")], requestID: "r")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let json = String(decoding: try encoder.encode(envelope), as: UTF8.self)
        #expect(
            json == #"{"error":{"code":"CONFLICT","details":[{"field":"lease_token","message":"m"}],"#
                + #""message":"The current state does not allow this action"},"request_id":"r"}"#
        )
    }

    @Test("is read although the server knows more than the client")
    func unknownCodeAndMembers() throws {
        let json = #"{"error":{"code":"NEW_CODE","message":"m","doc":{"a":[1]},"details":[{"field":"f","message":"d","x":1}]},"y":null}"#
        let envelope = try ErrorEnvelope(decoding: [UInt8](json.utf8))
        #expect(envelope.error.codeText == "NEW_CODE")
        #expect(envelope.error.code == nil)
        #expect(envelope.error.details == [ErrorDetail(field: "f", message: "d")])
        #expect(envelope.requestID == "")
        #expect(try ErrorEnvelope(decoding: envelope.encoded()) == envelope)
    }

    @Test("is not read from anything else")
    func otherBodies() {
        func failure(_ bytes: [UInt8]) -> ErrorEnvelopeDecodingError? {
            do throws(ErrorEnvelopeDecodingError) {
                _ = try ErrorEnvelope(decoding: bytes, bytesMax: 2_000)
                return nil
            } catch {
                return error
            }
        }
        #expect(failure([UInt8]("<html>502</html>".utf8)) == .notAnEnvelope)
        #expect(failure([]) == .notAnEnvelope)
        #expect(failure([UInt8](#"{"error":"text"}"#.utf8)) == .notAnEnvelope)
        #expect(failure([UInt8](repeating: 0x20, count: 2_001)) == .tooLarge(bytesMax: 2_000))
        // This very input stops a process whose JSONDecoder gets to see it.
        #expect(failure([UInt8](repeating: UInt8(ascii: "["), count: 513)) == .tooDeeplyNested)
        #expect(failure([UInt8](String(repeating: #"{"\"]":"#, count: 40).utf8)) == .tooDeeplyNested)
        #expect(failure([UInt8](String(repeating: "[", count: 513).data(using: .utf16LittleEndian) ?? Data())) == .notAnEnvelope)
    }
}

import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import TestSupport
import Testing

@testable import PersonasHTTP

/// The document says what the code does. That it is well-formed, and that its examples fit, is for programs that know OpenAPI; see
/// `DocumentFileTests`. That the answers are as it says is for Schemathesis.
@Suite("The contract as a document")
struct ContractDocumentTests {
    @Test("Names every route of the router, and no other")
    func routes() async throws {
        try await TestService.run(settings: ["credits": "on"]) { service in
            let document = try ContractDocument()
            let documented = Set(document.operations.map { "\($0.method) \($0.path)" })
            let answered = Set(service.routes.map { "\($0.method) \($0.path)" })
            #expect(answered.subtracting(documented).sorted() == [], "routes that the document does not have")
            #expect(documented.subtracting(answered).sorted() == [], "calls that there is no route for")
            // What it says in one sentence instead of at each path.
            for operation in document.operations where operation.method == "GET" {
                let answer = try await service.send(.head, operation.path.replacing(/\{\w+\}/, with: UUID().uuidString))
                #expect(answer.status != 405, "HEAD \(operation.path)")
            }
        }
    }

    @Test("Declares what each path leaves open, and each operation under a name of its own")
    func operations() throws {
        let operations = try ContractDocument().operations
        #expect(Set(operations.map(\.name)).count == operations.count)
        for operation in operations {
            let open = operation.path.matches(of: /\{(\w+)\}/).map { String($0.output.1) }
            let declared = operation.parameters.filter { $0["in"] as? String == "path" }.compactMap { $0["name"] as? String }
            #expect(open == declared, "\(operation.name)")
            #expect(operation.members["summary"] is String && operation.members["tags"] is [String], "\(operation.name)")
        }
    }

    @Test("Gives every operation the answers of the layers before it")
    func layers() throws {
        for operation in try ContractDocument().operations {
            var expected: Set = ["400", "429", "500", "503"]
            if operation.needsKey { expected.formUnion(["401", "403", "404"]) }
            if operation.hasBody { expected.formUnion(["413", "415"]) }
            #expect(expected.subtracting(operation.responses.keys).sorted() == [], "\(operation.name)")
            // What fal reports is signed by fal.
            #expect(operation.needsKey == (operation.path.hasPrefix("/v2/") && operation.name != "receiveFalWebhook"), "\(operation.name)")
            let scope = operation.members["x-required-scope"] as? String
            #expect(scope.map { Scope(rawValue: $0) != nil } ?? !operation.needsKey || operation.name == "getMe", "\(operation.name)")
        }
    }

    @Test("Says of each code what the catalogue says")
    func catalogue() throws {
        let schema = try ContractDocument().part("components", "schemas", "ErrorCode")
        let told = try #require(schema["x-codes"] as? [String: [String: Any]])
        #expect(Set(told.keys) == Set(try #require(schema["enum"] as? [String])))
        for (text, members) in told {
            let code = try #require(ErrorCode(rawValue: text), "\(text)")
            #expect(members["status"] as? Int == code.status, "\(text)")
            #expect(members["retryable"] as? Bool == code.isRetryable, "\(text)")
            #expect(members["meaning"] as? String == code.summary, "\(text)")
        }
    }

    @Test("Puts every code under its own status, and has all that this service sends")
    func codes() throws {
        let document = try ContractDocument()
        var named: Set<String> = []
        for operation in document.operations {
            for (status, response) in operation.responses {
                let codes = try document.codes(of: response)
                #expect((Int(status) ?? 0 >= 400) == !codes.isEmpty, "\(operation.name) \(status)")
                for code in codes { #expect(ErrorCode(rawValue: code)?.status == Int(status), "\(operation.name) \(status) \(code)") }
                named.formUnion(codes)
            }
        }
        named.formUnion(try document.codes(of: try document.part("components", "responses", "MethodNotAllowed")))
        let sent = try RaisedCodes.all()
        #expect(sent.subtracting(named).sorted() == [], "codes that no answer of the document has")
        #expect(named.subtracting(sent).sorted() == [], "codes that nothing raises")
        let listed = Set(try document.part("components", "schemas", "ErrorCode", "x-codes").keys)
        #expect(listed == sent.union(TrainingErrorCode.allCases.map(\.rawValue)))
        let training = try document.part("components", "schemas", "TrainingError", "properties", "code")
        #expect(training["enum"] as? [String] == TrainingErrorCode.allCases.map(\.rawValue))
    }

    @Test("Has the bounds of the code")
    func bounds() throws {
        let document = try ContractDocument()
        func number(_ name: String, _ schema: [String: Any]) -> Int? { schema[name] as? Int }
        let schemas = try document.part("components", "schemas")
        func schema(_ name: String) throws -> [String: Any] { try #require(schemas[name] as? [String: Any], "\(name)") }
        func member(_ name: String, of parent: String) throws -> [String: Any] {
            try #require((try schema(parent)["properties"] as? [String: Any])?[name] as? [String: Any], "\(parent).\(name)")
        }
        #expect(number("maxLength", try schema("Name")) == Limits.nameCharactersMax)
        #expect(number("maxLength", try schema("SpecialInstructionsInput")) == Limits.specialInstructionsCharactersMax)
        #expect(number("maxLength", try schema("ImageURL")) == Limits.imageURLCharactersMax)
        #expect(number("maxLength", try member("message", of: "FailRequest")) == Limits.failureMessageCharactersMax)
        for images in ["image_urls", "image_base64s"] {
            #expect(number("minItems", try member(images, of: "CreateRequest")) == Limits.referenceImages)
            #expect(number("maxItems", try member(images, of: "CreateRequest")) == Limits.referenceImages)
        }
        #expect(number("default", try document.part("components", "parameters", "Limit", "schema")) == Limits.pageItemsDefault)
        let key = try document.part("components", "parameters", "IdempotencyKey", "schema")
        #expect((key["pattern"] as? String)?.contains("{1,\(IdempotencyKey.charactersMax)}") == true)
    }
}

/// The codes that the adapter for HTTP raises, as its source text has them.
private enum RaisedCodes {
    /// What only maps statuses of other people's errors, which are told by codes that are raised here or never.
    private static let excluded: Set = ["Envelope", "EnvelopeError.swift"]

    static func all() throws -> Set<String> {
        let folder = URL(fileURLWithPath: TestTools.tests + "/../http")
        let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
        var names: Set<String> = ["validationError"]
        for case let file as URL in files where file.pathExtension == "swift" {
            if excluded.contains(file.lastPathComponent) || file.deletingLastPathComponent().lastPathComponent == "Envelope" { continue }
            let text = try String(contentsOf: file, encoding: .utf8)
            for match in text.matches(of: /(?:EnvelopeError\(\s*|ErrorCode)\.([a-z]\w+)/) { names.insert(String(match.output.1)) }
        }
        let codes = ErrorCode.allCases.filter { names.contains("\($0)") }
        return Set(codes.map(\.rawValue))
    }
}

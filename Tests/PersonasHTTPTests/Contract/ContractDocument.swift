import Foundation
import TestSupport
import Testing

/// `http/openapi.json`, as far as tests look into it.
struct ContractDocument {
    /// One call.
    struct Operation {
        let method: String
        let path: String
        let members: [String: Any]
        /// The parameters of the call and of its path, references resolved.
        let parameters: [[String: Any]]
        /// The answers by status, references resolved.
        let responses: [String: [String: Any]]

        var name: String { members["operationId"] as? String ?? "\(method) \(path)" }
        /// Whether a key is asked for.
        var needsKey: Bool { (members["security"] as? [Any])?.isEmpty != true }
        var hasBody: Bool { members["requestBody"] != nil }
    }

    private let root: [String: Any]
    let operations: [Operation]

    init() throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: TestTools.tests + "/../http/openapi.json"))
        let root = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        self.root = root
        let paths = try #require(root["paths"] as? [String: [String: Any]])
        operations = try paths.flatMap { path, item in
            let shared = item["parameters"] as? [[String: Any]] ?? []
            return try item.filter { $0.key != "parameters" }.map { method, operation in
                let members = try #require(operation as? [String: Any])
                let parameters = try (shared + (members["parameters"] as? [[String: Any]] ?? [])).map { try Self.resolved($0, in: root) }
                let responses = try #require(members["responses"] as? [String: [String: Any]])
                return Operation(
                    method: method.uppercased(), path: path, members: members, parameters: parameters,
                    responses: try responses.mapValues { try Self.resolved($0, in: root) })
            }
        }
    }

    /// A part of the document, by the names that lead to it.
    func part(_ names: String...) throws -> [String: Any] { try Self.part(names, of: root) }

    /// The codes that an answer with an error may have, as its schema lists them; none for another answer.
    func codes(of response: [String: Any]) throws -> Set<String> {
        guard let schema = Self.jsonSchema(of: response), let parts = schema["allOf"] as? [[String: Any]],
            parts.first?["$ref"] as? String == "#/components/schemas/Error"
        else { return [] }
        let own = try Self.part(["properties", "error", "properties", "code"], of: try #require(parts.last))
        return Set(try #require(own["enum"] as? [String]))
    }

    private static func jsonSchema(of response: [String: Any]) -> [String: Any]? {
        let content = response["content"] as? [String: [String: Any]]
        return content?["application/json"]?["schema"] as? [String: Any]
    }

    private static func resolved(_ node: [String: Any], in root: [String: Any]) throws -> [String: Any] {
        guard let reference = node["$ref"] as? String else { return node }
        return try part(reference.dropFirst(2).split(separator: "/").map(String.init), of: root)
    }

    private static func part(_ names: [String], of root: [String: Any]) throws -> [String: Any] {
        try names.reduce(root) { node, name in try #require(node[name] as? [String: Any], "there is no \(names.joined(separator: "/"))") }
    }
}

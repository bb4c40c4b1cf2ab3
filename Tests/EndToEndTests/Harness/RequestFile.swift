import Foundation
import NIOHTTP1
import TestSupport
import Testing

/// A file of `http/samples`: requests as editors run them, one after another, each with what is expected of it. See http/README.md.
struct RequestFile: Sendable {
    /// One request as it stands in the file.
    struct Request: Sendable {
        /// What stands behind `###`.
        let title: String
        /// What later requests call its answer by.
        var name: String?
        var expectedStatus: Int?
        /// The code of the error that is expected.
        var expectedCode: String?
        var method = ""
        var target = ""
        var headers: [(name: String, value: String)] = []
        var bodyLines: [String] = []

        /// The operation of the document that it stands for: the first word of the title, where that is one.
        var operation: String? { title.firstMatch(of: /^[a-z]\w*(?=:|$)/).map { String($0.output) } }

        fileprivate init(title: String) { self.title = title }
    }

    let path: String
    private(set) var variables: [String: String] = [:]
    private(set) var requests: [Request] = []

    /// A file that cannot be read as one.
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    /// The names of all such files.
    static func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".http") }.sorted()
    }

    private static let folder = TestTools.tests + "/../http/samples"

    /// Reads a file of `http/samples`.
    init(_ name: String) throws {
        path = "\(Self.folder)/\(name)"
        let blocks = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n###", omittingEmptySubsequences: false)
        for line in try #require(blocks.first).split(separator: "\n") {
            guard let match = line.wholeMatch(of: /@(\w+)\s*=\s*(.*)/) else {
                guard line.hasPrefix("#") else { throw Malformed(description: "\(name): \(line)") }
                continue
            }
            variables[String(match.output.1)] = String(match.output.2)
        }
        requests = try blocks.dropFirst().map { try Self.request($0.split(separator: "\n", omittingEmptySubsequences: false)) }
    }

    private static func request(_ lines: [Substring]) throws -> Request {
        var request = Request(title: lines[0].trimmingCharacters(in: .whitespaces))
        var rest = lines.dropFirst()
        while let line = rest.first, line.isEmpty || line.hasPrefix("#") {
            rest.removeFirst()
            if let match = line.wholeMatch(of: /# @name (\w+)/) { request.name = String(match.output.1) }
            if let match = line.wholeMatch(of: /# Expect: (\d{3})(?: ([A-Z_]+))?/) {
                request.expectedStatus = Int(match.output.1)
                request.expectedCode = match.output.2.map(String.init)
            }
        }
        guard let first = rest.popFirst()?.split(separator: " ", maxSplits: 1), first.count == 2 else {
            throw Malformed(description: "\(request.title): there is no request")
        }
        (request.method, request.target) = (String(first[0]), String(first[1]))
        while let line = rest.popFirst(), !line.isEmpty {
            guard let colon = line.firstIndex(of: ":") else { throw Malformed(description: "\(request.title): \(line)") }
            request.headers.append((String(line[..<colon]), line[colon...].dropFirst().trimmingCharacters(in: .whitespaces)))
        }
        request.bodyLines = rest.map(String.init)
        while request.bodyLines.last?.isEmpty == true { request.bodyLines.removeLast() }
        return request
    }
}

/// Runs the requests of a file, and remembers the answers that later ones speak of.
struct RequestFileRun {
    private let file: RequestFile
    private var variables: [String: String]
    private var answers: [String: ClientAnswer] = [:]

    /// - Parameter variables: take the place of those that the file itself begins with.
    init(_ file: RequestFile, variables: [String: String]) {
        self.file = file
        self.variables = file.variables.merging(variables) { $1 }
    }

    /// Sends one request.
    mutating func send(_ request: RequestFile.Request) async throws -> ClientAnswer {
        let headers = try request.headers.map { (name: $0.name, value: try filled($0.value)) }
        let target = try filled(request.target)
        let body = request.bodyLines.isEmpty ? nil : try body(of: request)
        // The client of the tests has no address of its own here: every target is a whole one.
        let answer = try await Client(base: "").send(HTTPMethod(rawValue: request.method), target, headers: headers, body: body)
        if let name = request.name { answers[name] = answer }
        return answer
    }

    private func body(of request: RequestFile.Request) throws -> [UInt8] {
        let isForm = request.headers.contains { $0.name == "Content-Type" && $0.value.hasPrefix("multipart/") }
        let lineEnd = isForm ? "\r\n" : "\n"
        var bytes: [UInt8] = []
        for line in request.bodyLines {
            if line.hasPrefix("< ") {
                let folder = URL(fileURLWithPath: file.path).deletingLastPathComponent()
                bytes += try Data(contentsOf: folder.appendingPathComponent(String(line.dropFirst(2))))
            } else {
                bytes += Array(try filled(line).utf8)
            }
            // A body that is a file is that and nothing else.
            if request.bodyLines.count > 1 || !line.hasPrefix("< ") { bytes += Array(lineEnd.utf8) }
        }
        return bytes
    }

    /// A text with everything between double braces replaced.
    private func filled(_ text: String) throws -> String {
        var filled = ""
        var rest = text[...]
        while let match = rest.firstMatch(of: /\{\{([^}]+)\}\}/) {
            filled += rest[..<match.range.lowerBound] + (try value(of: String(match.output.1)))
            rest = rest[match.range.upperBound...]
        }
        return filled + rest
    }

    private func value(of reference: String) throws -> String {
        if reference == "$guid" { return UUID().uuidString.lowercased() }
        if let value = variables[reference] { return value }
        let unknown = RequestFile.Malformed(description: "\(file.path): {{\(reference)}} stands for nothing")
        guard let match = reference.wholeMatch(of: /(\w+)\.response\.(?:headers\.([\w-]+)|body\.\$\.(.+))/),
            let answer = answers[String(match.output.1)]
        else { throw unknown }
        if let header = match.output.2 {
            guard let value = answer.header(String(header)) else { throw unknown }
            return value
        }
        let steps = (match.output.3 ?? "").split { ".[]".contains($0) }
        let value = steps.reduce(Optional(answer.json)) { value, step in Int(step).map { value?[$0] } ?? value?[String(step)] }
        guard let text = value?.string else { throw unknown }
        return text
    }
}

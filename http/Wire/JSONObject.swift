import Foundation
package import Personas

/// A request body: one JSON object, read strictly (RFC 8259), its members as they stand in the bytes.
///
/// Foundation's decoder is not let near a request: the last byte of some 513 bytes makes it trap, numbers in members that no route asks for cost
/// it 24 times their length, and it takes trailing commas and doubled members. This one pass refuses all of that, copies nothing, and leaves
/// the images' base64 where it lies until it is decoded.
package struct JSONObject: Sendable {
    /// Brackets within brackets; no request nests beyond 2.
    package static let depthMax = 32
    /// Values and members in all. A request has a dozen; clients' extra members may bring some more.
    package static let valuesMax = 4_096

    /// Characters of the longest whole number, `Int.min`; a request's number may be as long as its body.
    private static let integerCharactersMax = 20

    /// What a member's value is, with its place in the bytes where that is needed.
    enum Value: Sendable {
        case null
        case boolean(Bool)
        case number(Range<Int>)
        /// The text between the quotes, and whether anything in it is escaped.
        case string(Range<Int>, isEscaped: Bool)
        case array([Value])
        case object([JSONMemberName: Value])
        /// What no request body holds, and a form may: a field that was sent in a way that makes no value; the rule that it breaks.
        case unusable(String)
    }

    private let bytes: [UInt8]
    private let members: [JSONMemberName: Value]

    /// Reads a body.
    /// - Parameter valuesMax: values and members that are taken, of a body that is no client's.
    /// - Throws: `invalid` with the field `body`.
    package init(_ bytes: [UInt8], valuesMax: Int = Self.valuesMax) throws(Failure) {
        self.bytes = bytes
        do {
            members = try bytes.withUnsafeBufferPointer { (buffer) throws(JSONProblem) in
                var scanner = JSONScanner(buffer, valuesMax: valuesMax)
                return try scanner.document()
            }
        } catch {
            throw .invalid([Violation(field: "body", message: "the body \(error.reason)")])
        }
    }

    /// Reads the fields of a form as the members of one object, so that a create is the same to what reads it, however it was sent.
    /// - Throws: `invalid` with the field `body` where the fields are more than an object may hold.
    init(_ fields: [(name: String, field: FormField)]) throws(Failure) {
        var json: [UInt8] = []
        var unusable: [(name: String, rule: String)] = []
        for (name, field) in fields {
            switch field.json {
            case .value(let value): json += Array((json.isEmpty ? "{\"\(name)\":" : ",\"\(name)\":").utf8) + value
            case .malformed(let rule): unusable.append((name, rule))
            case .absent, .null: break
            }
        }
        let object = try JSONObject((json.isEmpty ? Array("{".utf8) : json) + [UInt8(ascii: "}")])
        bytes = object.bytes
        members = unusable.reduce(into: object.members) { $0[JSONMemberName(Array($1.name.utf8))] = .unusable($1.rule) }
    }

    /// Whether the object has this member and no other, and that is an object too.
    func holdsOnlyObject(_ name: String) -> Bool {
        guard members.count == 1, case .object? = members[JSONMemberName(Array(name.utf8))] else { return false }
        return true
    }

    /// Bytes of all texts in which something is escaped, as they were sent.
    package var escapedBytes: Int { members.values.reduce(0) { $0 + Self.escapedBytes(in: $1) } }

    private static func escapedBytes(in value: Value) -> Int {
        switch value {
        case .string(let range, isEscaped: true): range.count
        case .array(let elements): elements.reduce(0) { $0 + escapedBytes(in: $1) }
        case .object(let members): members.values.reduce(0) { $0 + escapedBytes(in: $1) }
        default: 0
        }
    }

    /// A member that is to be a string.
    package func string(_ name: String) -> JSONField<String> { string(members[JSONMemberName(Array(name.utf8))]) }

    private func string(_ value: Value?) -> JSONField<String> {
        switch value {
        case nil: .absent
        case .null: .null
        case .unusable(let rule): .malformed(rule)
        case .string(let range, let isEscaped): .value(String(decoding: text(range, isEscaped: isEscaped), as: UTF8.self))
        default: .malformed("must be a string")
        }
    }

    /// The string at a place in the object; absent where there is nothing.
    package func string(at pointer: JSONPointer) -> JSONField<String> { string(value(at: pointer)) }

    /// Whether there is anything but `null` at a place in the object.
    package func hasValue(at pointer: JSONPointer) -> Bool {
        switch value(at: pointer) {
        case nil, .null: false
        default: true
        }
    }

    private func value(at pointer: JSONPointer) -> Value? {
        pointer.tokens.reduce(.object(members)) { (value: Value?, token) in
            switch value {
            case .object(let members): return members[JSONMemberName(token)]
            case .array(let elements):
                guard let index = JSONPointer.index(of: token), elements.indices.contains(index) else { return nil }
                return elements[index]
            default: return nil
            }
        }
    }

    /// A member that is to be an object whose members are to be strings, in any order.
    package func strings(in name: String) -> JSONField<[(name: String, value: JSONField<String>)]> {
        switch members[JSONMemberName(Array(name.utf8))] {
        case nil: .absent
        case .null: .null
        case .object(let members): .value(members.map { (String(decoding: $0.key.utf8, as: UTF8.self), string($0.value)) })
        case .unusable(let rule): .malformed(rule)
        default: .malformed("must be an object")
        }
    }

    /// A member that is to be an array of strings.
    package func strings(_ name: String) -> JSONField<[String]> {
        mapped(texts(name)) { $0.map { String(decoding: $0, as: UTF8.self) } }
    }

    /// A member that is to be an array of strings, each as its UTF-8, uncopied unless something in it is escaped.
    package func texts(_ name: String) -> JSONField<[ArraySlice<UInt8>]> {
        let rule = "must be an array of strings"
        switch members[JSONMemberName(Array(name.utf8))] {
        case nil: return .absent
        case .null: return .null
        case .array(let elements):
            var texts: [ArraySlice<UInt8>] = []
            for element in elements {
                guard case .string(let range, let isEscaped) = element else { return .malformed(rule) }
                texts.append(text(range, isEscaped: isEscaped))
            }
            return .value(texts)
        default: return .malformed(rule)
        }
    }

    /// A member that is to be a string, as its UTF-8, uncopied unless something in it is escaped.
    package func text(_ name: String) -> JSONField<ArraySlice<UInt8>> {
        switch members[JSONMemberName(Array(name.utf8))] {
        case nil: .absent
        case .null: .null
        case .string(let range, let isEscaped): .value(text(range, isEscaped: isEscaped))
        default: .malformed("must be a string")
        }
    }

    /// A member that is to be a whole number.
    package func integer(_ name: String) -> JSONField<Int> {
        switch members[JSONMemberName(Array(name.utf8))] {
        case nil: return .absent
        case .null: return .null
        case .number(let range):
            guard range.count <= Self.integerCharactersMax, let number = Int(String(decoding: bytes[range], as: UTF8.self)) else {
                return .malformed("must be a whole number")
            }
            return .value(number)
        default: return .malformed("must be a whole number")
        }
    }

    /// A member that is to be `true` or `false`.
    package func boolean(_ name: String) -> JSONField<Bool> {
        switch members[JSONMemberName(Array(name.utf8))] {
        case nil: .absent
        case .null: .null
        case .boolean(let value): .value(value)
        default: .malformed("must be true or false")
        }
    }

    /// Hands out the object's content piece by piece, the same for two bodies that say the same: whatever their order of members, their blanks
    /// and their escapes.
    package func canonicalPieces(_ take: (ArraySlice<UInt8>) -> Void) { canonicalPieces(of: members, take) }

    private func canonicalPieces(of members: [JSONMemberName: Value], _ take: (ArraySlice<UInt8>) -> Void) {
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            takeText(name.utf8[...], take)
            canonicalPieces(of: value, take)
        }
    }

    private func canonicalPieces(of value: Value, _ take: (ArraySlice<UInt8>) -> Void) {
        switch value {
        case .null: take([UInt8(ascii: "n")])
        case .boolean(let isTrue): take([UInt8(ascii: isTrue ? "t" : "f")])
        case .number(let range):
            take([UInt8(ascii: "#")])
            takeText(bytes[range], take)
        case .string(let range, let isEscaped):
            take([UInt8(ascii: "\"")])
            takeText(text(range, isEscaped: isEscaped), take)
        case .array(let elements):
            take([UInt8(ascii: "[")])
            for element in elements { canonicalPieces(of: element, take) }
            take([UInt8(ascii: "]")])
        case .object(let members):
            take([UInt8(ascii: "{")])
            canonicalPieces(of: members, take)
            take([UInt8(ascii: "}")])
        case .unusable(let rule): takeText(Array(rule.utf8)[...], take)
        }
    }

    /// A text with its length in front, so that no two lists of pieces run into the same bytes.
    private func takeText(_ text: ArraySlice<UInt8>, _ take: (ArraySlice<UInt8>) -> Void) {
        take(withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }[...])
        take(text)
    }

    private func mapped<Value, Other>(_ member: JSONField<Value>, _ transform: (Value) -> Other) -> JSONField<Other> {
        switch member {
        case .absent: .absent
        case .null: .null
        case .malformed(let rule): .malformed(rule)
        case .value(let value): .value(transform(value))
        }
    }

    private func text(_ range: Range<Int>, isEscaped: Bool) -> ArraySlice<UInt8> {
        isEscaped ? bytes[range].withUnsafeBufferPointer { ArraySlice(JSONScanner.unescaped($0)) } : bytes[range]
    }
}

/// The name of a member, told apart from others by its bytes alone.
///
/// As a `String` it would be hashed and compared in its normal form, which takes Swift time quadratic in a run of combining marks: two
/// minutes for a name of 1 MB.
struct JSONMemberName: Hashable, Comparable {
    let utf8: [UInt8]

    init(_ utf8: [UInt8]) {
        self.utf8 = utf8
    }

    func hash(into hasher: inout Hasher) {
        utf8.withUnsafeBytes { hasher.combine(bytes: $0) }
    }

    /// Orders as the bytes do, by `memcmp`: names with the same long beginning are compared a dozen times each when they are sorted.
    static func < (left: JSONMemberName, right: JSONMemberName) -> Bool {
        let order = memcmp(left.utf8, right.utf8, min(left.utf8.count, right.utf8.count))
        return order == 0 ? left.utf8.count < right.utf8.count : order < 0
    }
}

/// Why bytes are no acceptable JSON.
struct JSONProblem: Error {
    let reason: String

    static let malformed = JSONProblem(reason: "is not valid JSON")
    static let notUTF8 = JSONProblem(reason: "is not valid UTF-8")
    static let notAnObject = JSONProblem(reason: "must be a JSON object")
    static let tooDeep = JSONProblem(reason: "nests deeper than \(JSONObject.depthMax) levels")
    static let tooLarge = JSONProblem(reason: "holds more than \(JSONObject.valuesMax) values")
}

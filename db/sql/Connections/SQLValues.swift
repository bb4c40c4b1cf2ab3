import Foundation
import Personas
import Synchronization

/// What can stand for a place in a statement.
protocol SQLValue: Sendable {
    /// Gives the next place its value.
    func bind(to parameters: inout SQLParameters)
}

/// The values of a statement's places in their order; nil for NULL.
typealias SQLValues = [(any SQLValue)?]

/// The places of a statement, as an engine takes their values one after another.
protocol SQLPlaces {
    /// A whole number.
    func bind(_ value: Int64)
    /// A text in UTF-8.
    func bind(text: UnsafeRawBufferPointer)
    /// Bytes.
    func bind(blob: UnsafeRawBufferPointer)
    /// The sixteen bytes of an identifier or a token.
    func bind(identifier: UnsafeRawBufferPointer)
    /// Nothing.
    func bindNull()
}

/// The places of a statement, which are given their values one after another. Good for as long as the call lasts that lends it.
struct SQLParameters {
    private let places: any SQLPlaces

    init(_ places: any SQLPlaces) {
        self.places = places
    }

    mutating func bind(_ values: SQLValues) {
        for value in values {
            if let value { value.bind(to: &self) } else { places.bindNull() }
        }
    }

    mutating func bind(_ value: Int64) { places.bind(value) }

    mutating func bind(_ value: Identifier) { value.withBytes { places.bind(identifier: $0) } }

    mutating func bind(_ value: RandomToken) { value.withBytes { places.bind(identifier: $0) } }

    mutating func bind(_ value: String) {
        var value = value
        value.withUTF8 { places.bind(text: UnsafeRawBufferPointer($0)) }
    }

    mutating func bind(blob value: UnsafeRawBufferPointer) { places.bind(blob: value) }

    mutating func bind(_ value: some SQLValue) { value.bind(to: &self) }
}

extension Int64: SQLValue {
    func bind(to parameters: inout SQLParameters) { parameters.bind(self) }
}

extension Int: SQLValue {
    func bind(to parameters: inout SQLParameters) { parameters.bind(Int64(self)) }
}

extension Bool: SQLValue {
    func bind(to parameters: inout SQLParameters) { parameters.bind(Int64(self ? 1 : 0)) }
}

extension String: SQLValue {
    func bind(to parameters: inout SQLParameters) { parameters.bind(self) }
}

extension [UInt8]: SQLValue {
    func bind(to parameters: inout SQLParameters) { withUnsafeBytes { parameters.bind(blob: $0) } }
}

extension Data: SQLValue {
    func bind(to parameters: inout SQLParameters) { withUnsafeBytes { parameters.bind(blob: $0) } }
}

extension Identifier: SQLValue {
    func bind(to parameters: inout SQLParameters) { parameters.bind(self) }
}

extension RandomToken: SQLValue {
    func bind(to parameters: inout SQLParameters) { parameters.bind(self) }
}

extension BlobKey: SQLValue {
    func bind(to parameters: inout SQLParameters) { digest.bind(to: &parameters) }
}

extension Timestamp: SQLValue {
    func bind(to parameters: inout SQLParameters) { parameters.bind(milliseconds) }
}

/// The columns of a query's current row, as an engine hands them out.
protocol SQLColumns {
    /// Whether a column holds nothing.
    func isNull(_ column: Int32) -> Bool
    /// A whole number, or what is true as 1 and what is not as 0; 0 where there is nothing.
    func integer(_ column: Int32) -> Int64
    /// The bytes of a text, a blob or an identifier; none where there is nothing.
    func bytes(_ column: Int32) -> UnsafeRawBufferPointer
}

/// The current row of a query; valid until the next step.
struct SQLRow {
    private let columns: any SQLColumns

    init(_ columns: any SQLColumns) {
        self.columns = columns
    }

    func isNull(_ column: Int32) -> Bool { columns.isNull(column) }

    func integer(_ column: Int32) -> Int64 { columns.integer(column) }

    func bytes(_ column: Int32) -> UnsafeRawBufferPointer { columns.bytes(column) }

    /// A text that may not be there.
    func text(_ column: Int32) -> String? { isNull(column) ? nil : String(decoding: bytes(column), as: UTF8.self) }

    func requiredText(_ column: Int32) throws(Failure) -> String {
        guard let text = text(column) else { throw .unexpected("Column \(column) holds no text") }
        return text
    }

    func identifier(_ column: Int32) throws(Failure) -> Identifier {
        guard let identifier = Identifier(bytes: bytes(column)) else { throw .unexpected("Column \(column) holds no identifier") }
        return identifier
    }

    /// One of few words, compared as bytes: making a text of it would cost more.
    func word<Value>(_ column: Int32, of words: StoredWords<Value>) throws(Failure) -> Value {
        guard let value = words[bytes(column)] else { throw .unexpected("Column \(column) holds no \(Value.self)") }
        return value
    }

    /// One of the words of a type.
    func value<Value: RawRepresentable<String>>(_ column: Int32, as type: Value.Type) throws(Failure) -> Value {
        guard let text = text(column), let value = Value(rawValue: text) else {
            throw .unexpected("Column \(column) holds no \(type)")
        }
        return value
    }

    /// Whether something is so.
    func isTrue(_ column: Int32) -> Bool { integer(column) != 0 }

    /// A number that may not be there.
    func integerIfAny(_ column: Int32) -> Int? { isNull(column) ? nil : Int(integer(column)) }

    func timestamp(_ column: Int32) -> Timestamp { Timestamp(milliseconds: integer(column)) }

    /// A moment that may not be there.
    func timestampIfAny(_ column: Int32) -> Timestamp? { isNull(column) ? nil : timestamp(column) }
}

/// A query whose text never changes, known to each connection by a number: the text is longer than many a row, and to look it up by it would cost a good
/// part of what running it does.
///
/// To be kept in a static, because each takes a number of its own for ever.
struct FixedQuery: Sendable {
    /// More than there are in the service.
    static let countMax = 128

    private static let numbersTaken = Atomic(0)

    let sql: String
    let number: Int

    init(_ sql: String) {
        self.sql = sql
        number = Self.numbersTaken.add(1, ordering: .relaxed).oldValue
        precondition(number < Self.countMax, "There are more fixed queries than connections have places for")
    }
}

/// The words in which the values of a type are stored.
struct StoredWords<Value: RawRepresentable<String> & CaseIterable & Sendable>: Sendable {
    private let words: [(word: Word, value: Value)] = Value.allCases.map { value in
        (Array(value.rawValue.utf8).withUnsafeBytes { Word($0) }, value)
    }

    /// The value of a word; nil for any other.
    subscript(bytes: UnsafeRawBufferPointer) -> Value? {
        let word = Word(bytes)
        for known in words where known.word == word { return known.value }
        return nil
    }
}

/// The first sixteen bytes of a word, which tell all words apart, and its length.
private struct Word: Equatable {
    private let low: UInt64
    private let high: UInt64
    private let count: Int

    init(_ bytes: UnsafeRawBufferPointer) {
        var start: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &start) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<min(bytes.count, 16)])) }
        (low, high) = start
        count = bytes.count
    }
}

import CPostgreSQL
import Personas

/// The numbers of the types that values have on their way, as PostgreSQL's catalogue fixes them for ever.
enum PostgresType {
    /// What the server finds out by itself, for values that are nothing.
    static let unknown: PostgresOid = 0
    static let bool: PostgresOid = 16
    static let bytea: PostgresOid = 17
    static let int8: PostgresOid = 20
    static let int2: PostgresOid = 21
    static let int4: PostgresOid = 23
    static let text: PostgresOid = 25
    static let oid: PostgresOid = 26
    static let float4: PostgresOid = 700
    static let float8: PostgresOid = 701
    static let numeric: PostgresOid = 1_700
    static let uuid: PostgresOid = 2_950
}

/// The values of a statement on their way to the server, each in its type's binary form. One belongs to each connection, and is emptied before each
/// use.
final class PostgresPlaces: SQLPlaces {
    private(set) var types: [PostgresOid] = []
    private var lengths: [Int32] = []
    private var formats: [Int32] = []
    /// Where each value begins; nil for nothing.
    private var offsets: [Int?] = []
    private var bytes: [UInt8] = []

    func removeAll() {
        types.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        formats.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: bytes.count < 65_536)
    }

    func bind(_ value: Int64) { withUnsafeBytes(of: value.bigEndian) { add(PostgresType.int8, $0) } }

    func bind(text: UnsafeRawBufferPointer) { add(PostgresType.text, text) }

    func bind(blob: UnsafeRawBufferPointer) { add(PostgresType.bytea, blob) }

    func bind(identifier: UnsafeRawBufferPointer) { add(PostgresType.uuid, identifier) }

    func bindNull() {
        types.append(PostgresType.unknown)
        lengths.append(0)
        formats.append(1)
        offsets.append(nil)
    }

    private func add(_ type: PostgresOid, _ value: UnsafeRawBufferPointer) {
        types.append(type)
        lengths.append(Int32(value.count))
        formats.append(1)
        offsets.append(bytes.count)
        bytes.append(contentsOf: value)
    }

    /// Lends the values as libpq takes them.
    func withValues<Result>(
        _ body: (_ values: [UnsafePointer<CChar>?], _ lengths: [Int32], _ formats: [Int32]) throws -> Result
    ) rethrows -> Result {
        // A value without bytes is not nothing, so that it needs an address.
        bytes.append(0)
        return try bytes.withUnsafeBytes { bytes in
            let start = bytes.assumingMemoryBound(to: CChar.self).baseAddress
            return try body(offsets.map { offset in offset.flatMap { offset in start.map { $0 + offset } } }, lengths, formats)
        }
    }
}

/// What a statement brought; freed with the last reference.
final class PostgresResult {
    private let handle: OpaquePointer
    private let library: PostgresLibrary

    /// Takes a result over.
    init(_ handle: OpaquePointer, _ library: PostgresLibrary) {
        self.handle = handle
        self.library = library
    }

    deinit {
        library.call.PQclear(handle)
    }

    /// What was done, such as `COMMIT`.
    var tag: String { library.call.PQcmdStatus(handle).map { String(cString: $0) } ?? "" }

    /// How many rows a statement changed.
    var changedCount: Int { library.call.PQcmdTuples(handle).flatMap { Int(String(cString: $0)) } ?? 0 }

    /// Hands out the rows until `row` returns false.
    /// - Throws: `unexpected` where one was read as what it is not, and whatever `row` throws.
    func walk(_ row: (SQLRow) throws -> Bool) throws {
        let columns = PostgresColumns(handle, library)
        for index in 0..<library.call.PQntuples(handle) {
            columns.row = index
            let goesOn = try withExtendedLifetime(self) { try row(SQLRow(columns)) }
            if let misread = columns.misread { throw misread }
            if !goesOn { return }
        }
    }
}

/// The columns of a result's current row. Not used after the result is gone.
private final class PostgresColumns: SQLColumns {
    private let result: OpaquePointer
    private let library: PostgresLibrary
    private let types: [PostgresOid]
    var row: Int32 = 0
    /// What was read as something that it is not, since the methods by which that happens throw nothing.
    private(set) var misread: Failure?

    init(_ result: OpaquePointer, _ library: PostgresLibrary) {
        self.result = result
        self.library = library
        types = (0..<library.call.PQnfields(result)).map { library.call.PQftype(result, $0) }
    }

    func isNull(_ column: Int32) -> Bool { library.call.PQgetisnull(result, row, column) != 0 }

    func integer(_ column: Int32) -> Int64 {
        guard isThere(column), !isNull(column) else { return 0 }
        let value = content(column)
        switch types[Int(column)] {
        case PostgresType.int8: return Int64(bigEndian: value.loadUnaligned(as: Int64.self))
        case PostgresType.int4: return Int64(Int32(bigEndian: value.loadUnaligned(as: Int32.self)))
        case PostgresType.int2: return Int64(Int16(bigEndian: value.loadUnaligned(as: Int16.self)))
        case PostgresType.oid: return Int64(UInt32(bigEndian: value.loadUnaligned(as: UInt32.self)))
        case PostgresType.bool: return value.first == 0 ? 0 : 1
        case PostgresType.numeric:
            // What a sum of whole numbers is.
            if let number = PostgresNumeric.integer(value) { return number }
        default: break
        }
        misread = .unexpected("Column \(column) of type \(types[Int(column)]) holds no whole number of 64 bits")
        return 0
    }

    func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        guard isThere(column), !isNull(column) else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        switch types[Int(column)] {
        case PostgresType.int8, PostgresType.int4, PostgresType.int2, PostgresType.oid, PostgresType.bool, PostgresType.numeric,
            PostgresType.float4, PostgresType.float8:
            misread = .unexpected("Column \(column) of type \(types[Int(column)]) holds a number, no bytes")
        default: break
        }
        return content(column)
    }

    private func isThere(_ column: Int32) -> Bool {
        guard types.indices.contains(Int(column)) else {
            misread = .unexpected("The row has \(types.count) columns, and none of number \(column)")
            return false
        }
        return true
    }

    private func content(_ column: Int32) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: library.call.PQgetvalue(result, row, column), count: Int(library.call.PQgetlength(result, row, column)))
    }
}

/// PostgreSQL's numbers of any length.
enum PostgresNumeric {
    /// A whole number of a `numeric`'s binary form: four words of 16 bits (how many digits follow, the weight of the first, the sign, the digits
    /// shown after the point), and the digits, in base 10,000.
    /// - Returns: nil where it is none, or none of 64 bits.
    static func integer(_ bytes: UnsafeRawBufferPointer) -> Int64? {
        func word(_ index: Int) -> Int? {
            guard 2 * index + 2 <= bytes.count else { return nil }
            return Int(Int16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: Int16.self)))
        }
        guard let count = word(0), let weight = word(1), let sign = word(2), sign == 0 || sign == 0x4000, weight < 5 else { return nil }
        var value: Int64 = 0
        for position in stride(from: weight, through: min(0, weight - count + 1), by: -1) {
            let index = weight - position
            guard let digit = index < count ? word(4 + index) : 0 else { return nil }
            if position < 0 {
                guard digit == 0 else { return nil }
                continue
            }
            let (shifted, isOver) = value.multipliedReportingOverflow(by: 10_000)
            // Taken away, not added, because there is one more number below nought than above it.
            let (next, isUnder) = shifted.subtractingReportingOverflow(Int64(digit))
            guard !isOver, !isUnder else { return nil }
            value = next
        }
        if sign != 0 { return value }
        return value == .min ? nil : -value
    }
}

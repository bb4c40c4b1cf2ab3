import CPostgreSQL
import Crypto
import Personas

/// Rows of a table in the binary form of `COPY`. Those of both sides are turned into it, and compared by what comes of that.
struct MovedRows {
    /// What such a stream begins with: a signature, no flags, no extension.
    static let beginning: [UInt8] = Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0] + [UInt8](repeating: 0, count: 8)
    /// What it ends with.
    static let end: [UInt8] = [0xff, 0xff]

    private let shape: MovedShape
    private let objects: MovedObjects
    /// Where the digest of an image stands.
    private let digestPlace: Int32?
    private var bytes: [UInt8] = []
    private var hash = SHA256()
    /// How many were ever added.
    private(set) var count = 0

    init(_ shape: MovedShape, objects: MovedObjects) {
        self.shape = shape
        self.objects = objects
        digestPlace = shape.shared.firstIndex { $0.name == "digest" }.map { Int32($0) }
    }

    /// Bytes of those that were added since `take`.
    var byteCount: Int { bytes.count }

    /// What tells all that were taken from any others.
    var digest: [UInt8] { Array(hash.finalize()) }

    /// Hands out what was added.
    mutating func take() -> [UInt8] {
        hash.update(data: bytes)
        defer { bytes.removeAll(keepingCapacity: true) }
        return bytes
    }

    /// Adds a row of SQLite, with what PostgreSQL has beside it.
    /// - Throws: `configuration` where PostgreSQL cannot hold it.
    mutating func add(fromSource row: SQLRow) throws {
        begin()
        for (place, column) in shape.shared.enumerated() { try add(row, Int32(place), column) }
        for (column, value) in shape.own {
            switch value {
            case .null: add(Int32(-1))
            case .integer(let number): try add(number, in: column, of: row)
            case .object:
                guard let digestPlace else { throw Failure.unexpected("The table \(shape.table.name) names no image") }
                add(Int32(16))
                objects.object(of: Array(row.bytes(digestPlace))).withBytes { bytes.append(contentsOf: $0) }
            }
        }
    }

    /// Adds a row of PostgreSQL.
    mutating func add(fromTarget row: SQLRow) throws {
        begin()
        for (place, column) in shape.columns.enumerated() { try add(row, Int32(place), column) }
    }

    private mutating func begin() {
        count += 1
        add(Int16(shape.shared.count + shape.own.count))
    }

    private mutating func add(_ row: SQLRow, _ place: Int32, _ column: MovedColumn) throws {
        guard !row.isNull(place) else { return add(Int32(-1)) }
        switch column.type {
        case PostgresType.int2, PostgresType.int4, PostgresType.int8: try add(row.integer(place), in: column, of: row)
        case PostgresType.uuid:
            let value = row.bytes(place)
            guard value.count == 16 else { throw refusal(column, "is no identifier", row) }
            add(value)
        case PostgresType.text:
            let value = row.bytes(place)
            guard !value.contains(0) else { throw refusal(column, "holds U+0000, which PostgreSQL cannot store", row) }
            add(value)
        case PostgresType.bytea: add(row.bytes(place))
        default: throw Failure.unexpected("The column \(column.name) of \(shape.table.name) is of a type that is not moved: \(column.type)")
        }
    }

    private mutating func add(_ number: Int64, in column: MovedColumn, of row: SQLRow) throws {
        switch column.type {
        case PostgresType.int2:
            guard let short = Int16(exactly: number) else { throw refusal(column, "is \(number), which is too much", row) }
            add(Int32(2))
            add(short)
        case PostgresType.int4:
            guard let short = Int32(exactly: number) else { throw refusal(column, "is \(number), which is too much", row) }
            add(Int32(4))
            add(short)
        default:
            add(Int32(8))
            add(number)
        }
    }

    private mutating func add(_ value: UnsafeRawBufferPointer) {
        add(Int32(value.count))
        bytes.append(contentsOf: value)
    }

    private mutating func add(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }

    private func refusal(_ column: MovedColumn, _ reason: String, _ row: SQLRow) -> Failure {
        .notMovable("\(column.name) of the row \(shape.words(for: row)) of \(shape.table.name) \(reason)")
    }
}

extension Failure {
    /// What stands in a data folder against its being moved.
    static func notMovable(_ reason: String) -> Failure { .configuration(setting: "from", reason: "nothing was moved: \(reason)") }
}

import Foundation
import Testing

/// What a service did to its files, and what it answered, in the order in which it did so, as recorded by `FaultInjector`.
enum TraceEvent {
    case write(String, offset: Int, [UInt8])
    case truncate(String, length: Int)
    /// From here on it is waited for that everything written before is on disk.
    case syncBegin(String, number: Int)
    /// It is.
    case syncEnd(number: Int)
    case rename(String, to: String)
    case unlink(String)
    case create(String)
    /// An answer 201 is about to be sent, of an item with this id.
    case answer(created: String)

    /// Reads a record.
    static func read(_ path: String) throws -> [TraceEvent] {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        var events: [TraceEvent] = []
        var position = 0
        func number<Number: FixedWidthInteger>(_ type: Number.Type) -> Int {
            defer { position += MemoryLayout<Number>.size }
            return data.withUnsafeBytes { Int($0.loadUnaligned(fromByteOffset: position, as: Number.self)) }
        }
        func bytes(_ count: Int) -> [UInt8] {
            defer { position += count }
            return [UInt8](data[position..<position + count])
        }
        // A kill may have cut off the last event, which then did not happen as far as can be told.
        while position + 24 <= data.count {
            let (kind, pathLength) = (number(UInt32.self), number(UInt32.self))
            let (offset, length) = (number(UInt64.self), number(UInt64.self))
            guard position + pathLength + length <= data.count else { break }
            let path = String(decoding: bytes(pathLength), as: UTF8.self)
            events.append(try #require(TraceEvent(kind, path, offset, bytes(length)), "the record holds an unknown event \(kind)"))
        }
        return events
    }

    private init?(_ kind: Int, _ path: String, _ offset: Int, _ bytes: [UInt8]) {
        switch kind {
        case 1: self = .write(path, offset: offset, bytes)
        case 2: self = .truncate(path, length: offset)
        case 3: self = .syncBegin(path, number: offset)
        case 4: self = .syncEnd(number: offset)
        case 5: self = .rename(path, to: String(decoding: bytes, as: UTF8.self))
        case 6: self = .unlink(path)
        case 7: self = .create(path)
        case 8: self = .answer(created: Self.createdID(String(decoding: bytes, as: UTF8.self)))
        default: return nil
        }
    }

    /// The id in the `Location` of an answer; empty where there is none, which no item is called.
    private static func createdID(_ head: String) -> String {
        head.firstMatch(of: /\r\n[Ll]ocation: [^\r]*\/([0-9a-f-]{36})\r\n/).map { String($0.output.1) } ?? ""
    }
}

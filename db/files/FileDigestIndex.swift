import Foundation
import Personas
import Synchronization

/// Digests with their places in a table on the disk, in which each is looked for from where its own bytes point to: the memory of the process knows no
/// more of millions of them than of ten. The file is sparse, and small ones never leave the system's memory.
final class FileDigestIndex: DigestIndex {
    /// A place: the digest, then where the image begins and how long it is. Zeros mean that it is free; no image is empty.
    private static let slotBytes = 48
    private static let slotsAtFirst = 4_096
    private static let slotsAtOnce = 1_024

    private struct Table {
        /// Where in the file it begins: a larger one comes to lie behind the one that it takes the place of.
        var start = 0
        var slots = FileDigestIndex.slotsAtFirst
        var count = 0
    }

    private let file: Descriptor
    private let table = Mutex(Table())

    init(file: consuming Descriptor) {
        self.file = file
    }

    func insert(_ digest: [UInt8], at place: Range<Int>) throws(Failure) -> Bool {
        try table.withLock { (table) throws(Failure) in
            guard try find(digest, in: table).place == nil else { return false }
            if 2 * (table.count + 1) > table.slots { try grow(&table) }
            try put(digest, place, into: &table)
            return true
        }
    }

    func place(of digest: [UInt8]) throws(Failure) -> Range<Int>? {
        try table.withLock { (table) throws(Failure) in try find(digest, in: table).place }
    }

    private func put(_ digest: [UInt8], _ place: Range<Int>, into table: inout Table) throws(Failure) {
        let slot = try find(digest, in: table).slot
        let numbers = [place.lowerBound, place.count].flatMap { number in withUnsafeBytes(of: UInt64(number).littleEndian) { Array($0) } }
        let bytes = digest + numbers
        let written = bytes.withUnsafeBytes { pwrite(file.number, $0.baseAddress, $0.count, off_t(table.start + slot * Self.slotBytes)) }
        guard written == bytes.count else { throw .storeBusy("The disk has no room for what is remembered of an archive") }
        table.count += 1
    }

    /// Where a digest stands, or where it would.
    private func find(_ digest: [UInt8], in table: Table) throws(Failure) -> (slot: Int, place: Range<Int>?) {
        // Whoever chooses images chooses their digests, but only by trying many: 63 bits of them decide.
        let hash = digest.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        var slot = Int(hash % UInt64(table.slots))
        while true {
            let found = try read(1, from: slot, in: table)
            guard let place = Self.place(in: found[...]) else { return (slot, nil) }
            if found.starts(with: digest) { return (slot, place) }
            slot = (slot + 1) % table.slots
        }
    }

    private func grow(_ table: inout Table) throws(Failure) {
        var larger = Table(start: table.start + table.slots * Self.slotBytes, slots: 4 * table.slots)
        for first in stride(from: 0, to: table.slots, by: Self.slotsAtOnce) {
            let bytes = try read(Self.slotsAtOnce, from: first, in: table)
            for start in stride(from: 0, to: bytes.count, by: Self.slotBytes) {
                let slot = bytes[start..<start + Self.slotBytes]
                if let place = Self.place(in: slot) { try put(Array(slot.prefix(32)), place, into: &larger) }
            }
        }
        table = larger
    }

    /// Reads places; behind the end of the file all are free.
    private func read(_ count: Int, from slot: Int, in table: Table) throws(Failure) -> [UInt8] {
        do {
            let bytes = try PosixFile.read(file.number, at: table.start + slot * Self.slotBytes, count: count * Self.slotBytes)
            return bytes + [UInt8](repeating: 0, count: count * Self.slotBytes - bytes.count)
        } catch {
            throw Failure(file: error)
        }
    }

    private static func place(in slot: ArraySlice<UInt8>) -> Range<Int>? {
        func number(_ offset: Int) -> Int {
            Int(slot.dropFirst(offset).prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
        }
        let (start, count) = (number(32), number(40))
        return count > 0 ? start..<start + count : nil
    }
}

/// Up to where somebody has read the events of an account: what a list calls its cursor, and a stream the id of an event.
///
/// It stands for a place in one life of the database. After a restore the same numbers are given to other events, and whoever is ahead of what was restored
/// would wait in silence for what has been.
package struct EventCursor: Sendable, Equatable, LosslessStringConvertible {
    /// Digits of the epoch that stand in the text: enough that one life of a database is not taken for another.
    private static let epochDigits = 8
    /// Digits of a sequence at most: those of the largest number that there is.
    private static let sequenceDigitsMax = 19

    /// The sequence of the last event that was read; 0 before the first.
    package let sequence: Int64
    private let life: String

    /// A place in the present life of a database.
    package init(sequence: Int64, epoch: RandomToken) {
        self.sequence = sequence
        life = String(epoch.text.prefix(Self.epochDigits))
    }

    /// Reads what `description` wrote, byte for byte; nil for anything else.
    package init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 2, (1...Self.sequenceDigitsMax).contains(parts[0].count), parts[0].allSatisfy(Self.isDigit),
            parts[0].count == 1 || parts[0].first != UInt8(ascii: "0"), let sequence = Int64(String(decoding: parts[0], as: UTF8.self)),
            parts[1].count == Self.epochDigits,
            parts[1].allSatisfy({ Self.isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) })
        else { return nil }
        self.sequence = sequence
        life = String(decoding: parts[1], as: UTF8.self)
    }

    /// Whether it stands for a place in this life of the database.
    package func isOf(_ epoch: RandomToken) -> Bool { life.utf8.elementsEqual(epoch.text.utf8.prefix(Self.epochDigits)) }

    /// As clients see it.
    package var description: String { "\(sequence).\(life)" }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}

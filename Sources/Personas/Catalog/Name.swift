/// The name of a persona or style: normalised, and of the form that the published API allows.
///
/// The characters, one byte each, are kept in machine words, so that a name is copied and compared without touching the heap.
package struct Name: Sendable, Hashable {
    /// The name as shown: trimmed, with single spaces, 1 to 25 characters of `A–Z a–z 0–9 space - _`.
    package var text: String { withUTF8 { String(decoding: $0, as: UTF8.self) } }

    /// The name as compared: two names that differ only in the case of letters are one.
    package var key: String { withUTF8 { String(decoding: $0.map(\.lowercasedASCII), as: UTF8.self) } }

    /// The characters, and zeros behind them.
    private let characters: Characters
    private let count: UInt8

    /// Room for more than the longest name.
    private struct Characters: Hashable {
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

        var goBeyondASCII: Bool { (words.0 | words.1 | words.2 | words.3) & 0x8080_8080_8080_8080 != 0 }

        static func == (left: Characters, right: Characters) -> Bool { left.words == right.words }

        func hash(into hasher: inout Hasher) { withUnsafeBytes(of: words) { hasher.combine(bytes: $0) } }
    }

    /// Takes a name from storage, where only well-formed ones are.
    package init(stored text: String) {
        var text = text
        self = text.withUTF8 { Name(stored: UnsafeRawBufferPointer($0)) }
    }

    /// Takes a name from the bytes in which it is stored. Of anything else, as only a damaged row holds it, this takes what a name has room for, up to
    /// the first character beyond ASCII.
    package init(stored utf8: UnsafeRawBufferPointer) {
        let taken = UnsafeRawBufferPointer(rebasing: utf8[..<min(utf8.count, Limits.nameCharactersMax)])
        var characters = Characters()
        withUnsafeMutableBytes(of: &characters.words) { $0.copyMemory(from: taken) }
        if characters.goBeyondASCII, let end = taken.firstIndex(where: { $0 >= 0x80 }) {
            self = Name(stored: UnsafeRawBufferPointer(rebasing: taken[..<end]))
        } else {
            self.characters = characters
            count = UInt8(truncatingIfNeeded: taken.count)
        }
    }

    /// Hands out the characters of the name as shown.
    package func withUTF8<Result>(_ body: (UnsafeBufferPointer<UInt8>) throws -> Result) rethrows -> Result {
        try withUnsafeBytes(of: characters.words) { words in
            try words.withMemoryRebound(to: UInt8.self) { try body(UnsafeBufferPointer(rebasing: $0[..<Int(count)])) }
        }
    }

    /// Normalises what a client sent, then checks its form.
    ///
    /// White space (Unicode's property) at either end is cut, runs within become one space. The rule that breaks first is told: what follows
    /// the longest name is not looked at, because the text of a request may be as long as its body.
    /// - Throws: the rule that is broken, for the field `name`.
    package init(normalising raw: String) throws(Violation) {
        var text: [UInt8] = []
        for scalar in SpacedScalars(raw) {
            guard let byte = UInt8(exactly: scalar.value), Name.isAllowed(byte) else {
                throw Violation(.name, "may hold only the letters A-Z and a-z, digits, spaces, hyphens and underscores")
            }
            guard text.count < Limits.nameCharactersMax else {
                throw Violation(.name, "must be at most \(Limits.nameCharactersMax) characters long")
            }
            text.append(byte)
        }
        guard !text.isEmpty else { throw Violation(.name, "must not be empty") }
        self = text.withUnsafeBytes { Name(stored: $0) }
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }
}

/// Whether a name and the owner's own id may be given to a new item.
package enum NameAvailability: Sendable, Equatable {
    /// Nothing stands against it at this moment; the store's index has the last word.
    case free
    /// It is on the operator's list.
    case reserved
    /// An item of the same account and mode has it.
    case taken(Identifier)
    /// The name is free, but an item of the same account and mode has the owner's own id.
    case externalIDTaken(Identifier)
}

/// Who has what a new item would be told apart by.
package struct ItemHolders: Sendable, Equatable {
    /// The item of the name, if there is one.
    package let ofName: Identifier?
    /// The item of the owner's own id, if there is one.
    package let ofExternalID: Identifier?

    package init(ofName: Identifier?, ofExternalID: Identifier?) {
        self.ofName = ofName
        self.ofExternalID = ofExternalID
    }
}

/// Remembers the names that operators keep from being given.
package protocol ReservedNameStore: Sendable {
    /// Adds names; those already there stay as they are. Items that have such a name keep it.
    /// - Returns: those that were added.
    func reserve(_ names: [Name], in context: WriteContext<[Name]>) async throws(Failure) -> [Name]
    /// Removes names; those not there are passed over.
    /// - Returns: those that were removed, as they were stored.
    func release(_ names: [Name], in context: WriteContext<[Name]>) async throws(Failure) -> [Name]
    /// All reserved names in alphabetical order.
    func reservedNames() async throws(Failure) -> [Name]
}

import Foundation

/// A word, or several, that no text of a client's own words may hold.
package struct BlockedTerm: Sendable, Hashable {
    /// In the form in which texts are compared with it.
    package let text: String

    /// Takes a term as it was stored, by whatever version.
    package init(stored: String) {
        text = Self.comparable(stored)
    }

    /// Takes a term as an operator writes it.
    /// - Throws: the rule that is broken.
    package init(_ raw: String) throws(Violation) {
        text = Self.comparable(raw)
        guard !text.isEmpty else { throw Violation(.term, "must not be empty") }
        guard !text.holdsMoreScalars(than: Limits.termCharactersMax) else {
            throw Violation(.term, "must be at most \(Limits.termCharactersMax) characters long")
        }
        guard !text.unicodeScalars.contains(where: \.isControl) else { throw Violation(.term, "must not hold control characters") }
    }

    /// Terms as an operator writes them, each once.
    /// - Throws: `invalid` for the first that can be no term.
    static func checked(_ texts: [String]) throws(Failure) -> [BlockedTerm] {
        var terms: [BlockedTerm] = []
        var seen: Set<BlockedTerm> = []
        for text in texts {
            do throws(Violation) {
                let term = try BlockedTerm(text)
                if seen.insert(term).inserted { terms.append(term) }
            } catch {
                throw .invalid([error.quoting(text)])
            }
        }
        return terms
    }

    /// As the audit names it: quoted where it holds the comma that parts it from the next.
    var auditText: String { text.utf8.contains(UInt8(ascii: ",")) ? text.debugDescription : text }

    /// The form in which texts and terms are compared: in lower case, composed, letters of other widths and the like as their plain ones (Unicode's
    /// normalisation form KC), without characters that nobody sees, with a single space for each run of white space, and none at the ends.
    package static func comparable(_ text: String) -> String {
        // Plain letters first, because some of other shapes are capitals that have no small one; and composed again, which small ones may need.
        let plain = text.precomposedStringWithCompatibilityMapping.lowercased().precomposedStringWithCanonicalMapping
        let visible = String(String.UnicodeScalarView(plain.unicodeScalars.filter { !$0.properties.isDefaultIgnorableCodePoint }))
        var scalars = String.UnicodeScalarView()
        for scalar in SpacedScalars(visible) { scalars.append(scalar) }
        return String(scalars)
    }

    /// Whether both are the same to the byte.
    package static func == (left: BlockedTerm, right: BlockedTerm) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

    /// Hashes what is compared.
    package func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

/// The blocked terms, in the order of their bytes, so that a text is looked through for all of them at once.
package struct BlockedTerms: Sendable {
    /// All of them.
    package let all: [BlockedTerm]
    private let bytes: [[UInt8]]

    /// Takes terms in any order.
    package init(_ terms: some Sequence<BlockedTerm>) {
        let sorted = Set(terms).map { (term: $0, bytes: Array($0.text.utf8)) }.filter { !$0.bytes.isEmpty }
            .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        all = sorted.map(\.term)
        bytes = sorted.map(\.bytes)
    }

    /// Whether a text holds one of the terms as whole words: where the term begins or ends with a letter or digit, none stands beside it. A mark, such
    /// as an accent, belongs to its letter.
    ///
    /// From each place on where a term may begin, the terms that begin as the text does are narrowed down byte by byte, so that it takes hardly longer
    /// for thousands of them than for one, and at the worst the length of the text times that of a term.
    package func isFound(in text: String) -> Bool {
        let text = Array(BlockedTerm.comparable(text).utf8)
        let words = WordBytes(text)
        return text.indices.contains { start in words.mayBegin(at: start) && isFound(in: text, from: start, words) }
    }

    private func isFound(in text: [UInt8], from start: Int, _ words: WordBytes) -> Bool {
        var range = 0..<bytes.count
        var depth = 0
        while !range.isEmpty {
            // Of terms that begin alike the shortest comes first.
            if bytes[range.lowerBound].count == depth {
                if words.mayEnd(at: start + depth) { return true }
                range = range.dropFirst()
            }
            guard start + depth < text.count else { return false }
            let byte = text[start + depth]
            let first = partition(range) { $0[depth] < byte }
            range = first..<partition(first..<range.upperBound) { $0[depth] == byte }
            depth += 1
        }
        return false
    }

    /// The first of a range of terms that does not fulfil what those before it do.
    private func partition(_ range: Range<Int>, _ isBefore: ([UInt8]) -> Bool) -> Int {
        var (low, high) = (range.lowerBound, range.upperBound)
        while low < high {
            let middle = (low + high) / 2
            if isBefore(bytes[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Which bytes of a text belong to letters, marks and digits.
private struct WordBytes {
    /// For each byte whether its character does.
    private var isInWord: [Bool] = []
    /// For each byte whether it is the first of its character.
    private var isFirst: [Bool] = []

    init(_ text: [UInt8]) {
        isInWord.reserveCapacity(text.count)
        isFirst.reserveCapacity(text.count)
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            let (isWord, width) = (Self.isWord(scalar), UTF8.width(scalar))
            for index in 0..<width {
                isInWord.append(isWord)
                isFirst.append(index == 0)
            }
        }
    }

    func mayBegin(at index: Int) -> Bool { isFirst[index] && !(index > 0 && isInWord[index - 1] && isInWord[index]) }

    func mayEnd(at index: Int) -> Bool { index == isInWord.count || !(isInWord[index - 1] && isInWord[index]) }

    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        case .decimalNumber, .letterNumber, .otherNumber: true
        default: false
        }
    }
}

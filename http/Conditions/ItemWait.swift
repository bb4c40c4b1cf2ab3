import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import Personas

/// How long a read of an item may wait for a change: what `?wait` says, or else `Prefer: wait` (RFC 7240, section 4.3).
struct ItemWait: Equatable {
    private static let parameter = "wait"

    /// How long at most.
    let seconds: Int
    /// What the answer says in `Preference-Applied`; nil where it was not the preference that counted.
    let applied: String?

    /// Reads both; nil where nothing is to be waited for.
    ///
    /// A parameter is meant, so that a wrong one is refused. A preference is a wish, of which what makes no sense is passed over, and what is too
    /// much or too little comes to the nearest that there is.
    /// - Parameter prefer: the value of the field, or those of several put together with commas.
    /// - Throws: `invalid`.
    init?(query: String?, prefer: String?) throws(Failure) {
        let bounds = Limits.itemWaitSeconds
        if let query, let text = QueryParameters(query).value(of: Self.parameter) {
            guard let number = Self.number(text.utf8), bounds.contains(number) else {
                throw .invalid([
                    Violation(Self.parameter, "must be a whole number of seconds from \(bounds.lowerBound) to \(bounds.upperBound)")
                ])
            }
            seconds = number
            applied = nil
        } else if let prefer, let number = Self.preference(Array(prefer.utf8)[...]) {
            seconds = min(max(number, bounds.lowerBound), bounds.upperBound)
            applied = "wait=\(seconds)"
        } else {
            return nil
        }
    }

    /// Whether a request seems to ask for a wait, well-formed or not.
    static func isAsked(by request: Request) -> Bool {
        if request.headers[.prefer] != nil { return true }
        guard let query = request.uri.query else { return false }
        return QueryParameters(query).value(of: parameter) != nil
    }

    /// The number that digits make, and nothing else does; more than a number holds is only very much.
    private static func number(_ digits: some Collection<UInt8>) -> Int? {
        guard !digits.isEmpty, digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return Int(String(decoding: digits, as: UTF8.self)) ?? .max
    }

    /// The seconds of the first preference that is called `wait`; nil where there is none, or it makes no sense.
    private static func preference(_ field: ArraySlice<UInt8>) -> Int? {
        for preference in pieces(of: field, at: UInt8(ascii: ",")) {
            // What follows a semicolon are parameters, of which a wait has none.
            let parts = pieces(of: pieces(of: preference, at: UInt8(ascii: ";"))[0], at: UInt8(ascii: "="))
            guard parts[0].withoutOuterBlanks.isEqual(ignoringCaseOf: "wait") else { continue }
            guard parts.count == 2 else { return nil }
            let word = parts[1].withoutOuterBlanks
            let isQuoted = word.count >= 2 && word.first == UInt8(ascii: "\"") && word.last == UInt8(ascii: "\"")
            return number(isQuoted ? word.dropFirst().dropLast() : word)
        }
        return nil
    }

    /// The pieces between separators outside of quotes, at least one.
    private static func pieces(of bytes: ArraySlice<UInt8>, at separator: UInt8) -> [ArraySlice<UInt8>] {
        var pieces: [ArraySlice<UInt8>] = []
        var (start, isQuoted, isEscaped) = (bytes.startIndex, false, false)
        for (index, byte) in zip(bytes.indices, bytes) {
            switch byte {
            case _ where isEscaped: isEscaped = false
            case UInt8(ascii: "\\") where isQuoted: isEscaped = true
            case UInt8(ascii: "\""): isQuoted.toggle()
            case separator where !isQuoted:
                pieces.append(bytes[start..<index])
                start = index + 1
            default: break
            }
        }
        return pieces + [bytes[start...]]
    }
}

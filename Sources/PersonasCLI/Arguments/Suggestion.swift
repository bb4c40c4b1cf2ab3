/// What somebody may have meant who wrote something that there is not.
enum Suggestion {
    /// The candidate that a text was most likely meant to be, nil where none is like it.
    ///
    /// Alike are texts that differ in one letter of three at most, two that changed places counting as one; and one that goes on where the text ends.
    static func nearest(to text: String, among candidates: some Sequence<String>) -> String? {
        let written = Array(text.lowercased().utf8)
        // What is longer than any name is no slip of the finger, and the distance takes time by its square.
        guard (1...lengthMax).contains(written.count) else { return nil }
        var best: (distance: Int, candidate: String)?
        for candidate in candidates {
            let letters = Array(candidate.lowercased().utf8)
            let isBeginning = written.count > 1 && letters.starts(with: written)
            let distance = isBeginning ? 1 : distance(written, letters)
            guard distance <= max(1, max(written.count, letters.count) / 3), distance < letters.count else { continue }
            if distance < best?.distance ?? .max { best = (distance, candidate) }
        }
        return best?.candidate
    }

    /// The end of a message about something that there is not, nil where nothing is like it.
    static func question(_ text: String, among candidates: some Sequence<String>) -> String? {
        nearest(to: text, among: candidates).map { "; did you mean \($0)?" }
    }

    private static let lengthMax = 100

    /// How many letters have to be put in, left out, replaced or swapped with their neighbour to make one of the other.
    static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
        var (beforeLast, last) = ([Int](), Array(0...second.count))
        for (row, letter) in first.enumerated() {
            var current = [row + 1]
            for (column, other) in second.enumerated() {
                var distance = min(last[column + 1] + 1, current[column] + 1, last[column] + (letter == other ? 0 : 1))
                if row > 0, column > 0, letter == second[column - 1], first[row - 1] == other {
                    distance = min(distance, beforeLast[column - 1] + 1)
                }
                current.append(distance)
            }
            (beforeLast, last) = (last, current)
        }
        return last[second.count]
    }
}

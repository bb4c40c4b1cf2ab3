/// What a mistyped word was probably meant to be.
enum NearestWord {
    /// The word that is the fewest typing errors away, nil where none is near.
    static func of(_ typed: String, among words: some Sequence<String>) -> String? {
        let (best, distance) = words.reduce((String?.none, Int.max)) { best, word in
            let distance = Self.distance(Array(typed.utf8.prefix(64)), Array(word.utf8))
            return distance < best.1 ? (word, distance) : best
        }
        guard let best, distance <= max(1, best.utf8.count / 3) else { return nil }
        return best
    }

    /// How many bytes have to be put in, taken out or changed to make one of the other, or exchanged with their neighbours.
    private static func distance(_ one: [UInt8], _ other: [UInt8]) -> Int {
        var before: [Int] = []
        var last = Array(0...other.count)
        for (row, byte) in one.enumerated() {
            var line = [row + 1]
            for (column, counterpart) in other.enumerated() {
                var least = min(line[column] + 1, last[column + 1] + 1, last[column] + (byte == counterpart ? 0 : 1))
                if row > 0, column > 0, byte == other[column - 1], one[row - 1] == counterpart {
                    least = min(least, before[column - 1] + 1)
                }
                line.append(least)
            }
            (before, last) = (last, line)
        }
        return last[other.count]
    }
}

import TestSupport

/// Inputs made from others by small changes, the same ones for the same seed.
struct Mutations {
    /// No input grows beyond this, because time spent on long ones is taken from many short ones.
    private static let bytesMax = 20_000

    private let seeds: [[UInt8]]
    private let pieces: [[UInt8]]
    private var generator: SplitMix64

    init(of seeds: [[UInt8]], pieces: [[UInt8]], seed: UInt64) {
        self.seeds = seeds.filter { $0.count <= Self.bytesMax }
        self.pieces = pieces
        generator = SplitMix64(seed: seed)
    }

    /// The next input: now and then garbage of the pieces alone, else a file of the corpus with one to eight changes.
    mutating func next() -> [UInt8] {
        guard !chance(of: 20) else { return (0..<below(30)).flatMap { _ in pick(pieces) } }
        var bytes = pick(seeds)
        for _ in 0...below(8) { change(&bytes) }
        return Array(bytes.prefix(Self.bytesMax))
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        let place = below(bytes.count + 1)
        let end = min(bytes.count, place + 1 + below(chance(of: 4) ? 200 : 6))
        switch below(9) {
        case 0: bytes.insert(contentsOf: pick(pieces), at: place)
        case 1: bytes.replaceSubrange(place..<min(bytes.count, place + 1), with: pick(pieces))
        case 2: bytes.removeSubrange(place..<end)
        case 3: bytes.insert(contentsOf: bytes[place..<end], at: place)
        case 4 where place < bytes.count: bytes[place] = UInt8.random(in: .min ... .max, using: &generator)
        case 5 where place < bytes.count: bytes[place] ^= 1 << UInt8(below(8))
        case 6 where place < bytes.count: bytes[place] &+= chance(of: 2) ? 1 : 255
        case 7:
            // The start of one input with the end of another finds what no change of bytes would.
            let other = pick(seeds)
            bytes = Array(bytes.prefix(place)) + other.dropFirst(below(other.count + 1))
        default:
            let target = below(bytes.count + 1)
            let part = Array(bytes[place..<end])
            bytes.replaceSubrange(target..<min(bytes.count, target + part.count), with: part)
        }
    }

    private mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<max(1, bound), using: &generator) }
    private mutating func chance(of one: Int) -> Bool { below(one) == 0 }
    private mutating func pick(_ list: [[UInt8]]) -> [UInt8] { list.isEmpty ? [] : list[below(list.count)] }
}

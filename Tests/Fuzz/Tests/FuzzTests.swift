import Foundation
import FuzzTargets
import Testing

/// The short form of fuzzing: every file of the corpus, then inputs mutated from it with a seed. `.ci/fuzz` is the long form.
///
/// PERSONAS_FUZZ_INPUTS=N feeds N inputs to each target, PERSONAS_FUZZ_SEED=N others than the usual ones.
@Suite("Fuzzing")
struct FuzzTests {
    private static let inputs = number("PERSONAS_FUZZ_INPUTS") ?? 10_000
    private static let seed = number("PERSONAS_FUZZ_SEED") ?? 1

    private static func number(_ variable: String) -> Int? { ProcessInfo.processInfo.environment[variable].flatMap(Int.init) }

    @Test("Every file of the corpus keeps every property", arguments: FuzzTarget.all)
    func corpus(target: FuzzTarget) throws {
        let files = try Corpus.files(of: target)
        #expect(!files.isEmpty, "Tests/Fuzz/Corpus/\(target.name) is empty")
        for file in files {
            #expect(throws: Never.self, "Tests/Fuzz/Corpus/\(target.name)/\(file.name)") { try target.check(file.bytes) }
        }
    }

    @Test("Mutated inputs keep every property", .timeLimit(.minutes(60)), arguments: FuzzTarget.all)
    func mutated(target: FuzzTarget) throws {
        var mutations = Mutations(
            of: try Corpus.files(of: target).map(\.bytes), pieces: target.pieces, seed: UInt64(bitPattern: Int64(Self.seed)))
        // A trap leaves nothing but the log: with this line it can be had again.
        print("fuzzing \(target.name): PERSONAS_FUZZ_SEED=\(Self.seed) PERSONAS_FUZZ_INPUTS=\(Self.inputs)")
        var broken = 0
        for index in 0..<Self.inputs where broken < 5 {
            let input = mutations.next()
            do {
                try target.check(input)
            } catch {
                broken += 1
                Issue.record("\(target.name), PERSONAS_FUZZ_SEED=\(Self.seed), input \(index): \(error); base64 \(base64(input))")
            }
        }
    }

    @Test("The corpus is small enough to lie in the repository")
    func size() throws {
        let files = try FuzzTarget.all.flatMap(Corpus.files)
        #expect(files.reduce(0) { $0 + $1.bytes.count } < 300_000)
        #expect(try Set(Corpus.folders()) == Set(FuzzTarget.all.map(\.name)))
    }

    @Test("What walks stored images finds every kind of metadata")
    func audit() throws {
        // Otherwise the fuzzer's most important property would say nothing.
        let images = try #require(FuzzTarget.all.first { $0.name == "images" })
        let files = try Corpus.files(of: images).filter { $0.name.contains("metadata") || $0.name.contains("extensions") }
        #expect(files.count >= 5)
        for file in files { #expect(try !StoredParts.areCleanAsSent(file.bytes), "\(file.name)") }
    }

    private func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
}

extension FuzzTarget: CustomTestStringConvertible {
    /// The target's name.
    public var testDescription: String { name }
}

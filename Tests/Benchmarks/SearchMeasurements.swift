import Foundation
import TestSupport

/// Searches against a page, and in a large store against a small one. One after another: not how many there can be, but what one costs.
struct SearchMeasurements {
    private static let seconds = 2.0
    private static let growthMax = 1.15

    let personas: String
    let large: BenchmarkStore
    let small: BenchmarkStore
    let rounds: Int
    let quiet: QuietMachine

    /// Texts of one kind, none of which is in any name, and how many times the time of a page a search for one may take.
    private static let nowhere: [(name: String, texts: [String], timesMax: Double)] = [
        ("three characters and more", ["nowhere", "zzz", "qqq jjj", "item x", "éüé"], 5),
        // Every three of its characters are in many names, and only together they are in none.
        ("digits, each three of which are in many names", ["98765432198765", "11223344556677", "item 13579246801"], 5),
        ("two characters", ["éü", "ßø", "ñé", "--"], 20),
        ("one character", ["é", "ß", "ñ", "_"], 20),
    ]

    func run(_ report: inout Report) throws {
        let largeServer = try ServerProcess.personas(personas, store: large)
        defer { largeServer.stop() }
        let smallServer = small.directory == large.directory ? nil : try ServerProcess.personas(personas, store: small)
        defer { smallServer?.stop() }
        let inLarge = SequentialReads(key: large.key, seconds: Self.seconds)
        let inSmall = SequentialReads(key: small.key, seconds: Self.seconds)
        let (largeNames, smallNames) = (try names(in: large), try names(in: small))
        var page: [SequentialReads.Outcome] = []
        var found: [(small: SequentialReads.Outcome, large: SequentialReads.Outcome)] = []
        var nowhere = Self.nowhere.map { _ in [SequentialReads.Outcome]() }
        for round in 1...rounds {
            quiet.wait()
            page.append(try inLarge.run(largeServer, paths: ["/v2/personas?limit=20"]))
            let inLargeStore = try inLarge.run(largeServer, paths: largeNames)
            found.append((try smallServer.map { try inSmall.run($0, paths: smallNames) } ?? inLargeStore, inLargeStore))
            for (index, kind) in Self.nowhere.enumerated() {
                nowhere[index].append(try inLarge.run(largeServer, paths: kind.texts.map(Self.path)))
            }
            Console.note("Searches, round \(round) of \(rounds): found in \(Int(found.last?.large.medianMicroseconds ?? 0)) µs")
        }
        report.add(
            "search for a name",
            "\(Report.number(found.map(\.large.medianMicroseconds).median)) µs; in the small store "
                + "\(Report.number(found.map(\.small.medianMicroseconds).median)) µs",
            value: found.map { $1.medianMicroseconds / $0.medianMicroseconds }.median, unit: " × the small store",
            target: .below(Self.growthMax), isDisturbed: found.contains { $0.isDisturbed || $1.isDisturbed })
        for (kind, outcomes) in zip(Self.nowhere, nowhere) {
            report.add(
                "search, nowhere: \(kind.name)",
                "\(Report.number(outcomes.map(\.medianMicroseconds).median)) µs; a page \(Report.number(page.map(\.medianMicroseconds).median)) µs",
                value: zip(outcomes, page).map { $0.medianMicroseconds / $1.medianMicroseconds }.median, unit: " × a page",
                target: .below(kind.timesMax), isDisturbed: (outcomes + page).contains { $0.isDisturbed })
        }
    }

    /// Searches for names of the account's personas, from all over its list.
    private func names(in store: BenchmarkStore) throws -> [String] { try store.personaNames(atMost: 500).map(Self.path) }

    private static func path(for text: String) -> String {
        "/v2/personas?limit=20&q=\(text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text)"
    }
}

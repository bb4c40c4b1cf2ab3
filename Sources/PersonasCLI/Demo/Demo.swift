import Foundation
import Personas

/// The demo of `personas serve --demo`: something to look at, a key, and a line to paste.
enum Demo {
    private static let account = "demo"
    private static let label = "demo"

    /// PNG images of 8 × 8 pixels of one colour each (coral, sea green, night blue) in base64, short enough for a command line.
    private static let swatches = [
        "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4AWN8nh/IgA0MMQkAvfMNQcDdoyoAAAAASUVORK5CYII=",
        "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4AWPUmtvPgA0MMQkAnlgKuZw+6OQAAAAASUVORK5CYII=",
        "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4AWNUcwtmwAaGmAQAlo4GAXXL01UAAAAASUVORK5CYII=",
    ]

    /// Loads the demo's seed.
    /// - Returns: a key's secret text. It cannot be shown a second time, so a later start issues another and deletes the former.
    static func load(into administration: Administration) async throws(CommandFailure) -> String {
        let seed: SeedFile
        do throws(Failure) {
            seed = try SeedFile.demo()
        } catch {
            throw CommandFailure(error)
        }
        let report = try await SeedLoading.load([seed], progress: ProgressBar("Demo", total: seed.partCount)) {
            (part) throws(CommandFailure) in
            do throws(Failure) {
                return try await administration.perform(part)
            } catch {
                throw CommandFailure(error)
            }
        }
        if let issued = report.keys.first(where: { $0.label == label }) { return issued.key }
        do throws(Failure) {
            return try await replaceKey(administration)
        } catch {
            throw CommandFailure(error)
        }
    }

    private static func replaceKey(_ administration: Administration) async throws(Failure) -> String {
        try await administration.walk(ListKeys(accountName: account)) { (page) throws(Failure) in
            for key in page where key.label == label && key.state != .deleted {
                _ = try await administration.perform(SetKeyState(.deleted, id: key.id.text))
            }
            return true
        }
        return try await administration.perform(CreateKey(accountName: account, label: label, scopes: APIKey.defaultScopes)).key
    }

    /// Prints how to try the service.
    static func introduce(key: String, address: String) {
        for line in introduction(key: key, address: address) { Output.line(line) }
    }

    /// The lines of the introduction; those with `curl` work as they are.
    static func introduction(key: String, address: String) -> [String] {
        let images = swatches.map { "\"\($0)\"" }.joined(separator: ",")
        let body = "{\"name\":\"My persona\",\"image_base64s\":[\(images)]}"
        return [
            "The demo is ready.", "", "  address  \(address)", "  account  \(account)", "  key      \(key)", "", "List the personas:", "",
            "curl -H 'X-Api-Key: \(key)' \(address)/v2/personas", "", "Create one:", "",
            "curl -H 'X-Api-Key: \(key)' -H 'Content-Type: application/json' -d '\(body)' \(address)/v2/personas", "",
        ]
    }

}

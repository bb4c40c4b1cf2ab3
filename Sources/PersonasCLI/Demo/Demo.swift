import Foundation
import Personas
import PersonasDB

/// The demo of `personas serve --demo`: something to look at, a key, and lines to paste.
enum Demo {
    private static let account = "demo"
    private static let label = "demo"
    /// The persona of the seed that is shown with earlier states.
    private static let revisedPersona = "Nova Reyes"
    /// How many trainings it can pay for, where they cost something.
    private static let trainingsPaid = 100

    /// PNG images of 8 × 8 pixels of one colour each (coral, sea green, night blue) in base64, short enough for a command line.
    private static let swatches = [
        "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4AWN8nh/IgA0MMQkAvfMNQcDdoyoAAAAASUVORK5CYII=",
        "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4AWPUmtvPgA0MMQkAnlgKuZw+6OQAAAAASUVORK5CYII=",
        "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4AWNUcwtmwAaGmAQAlo4GAXXL01UAAAAASUVORK5CYII=",
    ]

    /// Loads the demo, unless that was done: what was made of it since stays as it is.
    /// - Parameter author: in whose name.
    /// - Returns: a key's secret text, the same as at the last start as long as the key is good for anything.
    static func load(into app: Application, by author: Operator, in folder: DataFolder) async throws(CommandFailure) -> String {
        let (file, administration) = (folder.demoKey, app.administration.acting(as: author))
        if try await !reporting({ () async throws(Failure) in try await isLoaded(in: app, folder) }) {
            try await load(into: app, administration, folder)
        }
        return try await reporting { () async throws(Failure) in
            if let prices = app.credits?.prices { try await giveCredits(administration, at: prices) }
            if let secret = file.read(), try await isGood(secret, app) { return secret }
            return try await newKey(administration, file)
        }
    }

    /// Whether this life of the database has had the demo, and its account is still there. A restore begins another, of which that is not known.
    private static func isLoaded(in app: Application, _ folder: DataFolder) async throws(Failure) -> Bool {
        guard folder.demoLoaded.read() == app.storage.epoch.epoch.text else { return false }
        do throws(Failure) {
            _ = try await app.storage.accounts.account(named: account)
            return true
        } catch .notFound {
            return false
        }
    }

    /// Loads what is not there of the demo: all of it, what this version has more than an earlier one, or the rest where a first start was cut short.
    private static func load(into app: Application, _ administration: Administration, _ folder: DataFolder) async throws(CommandFailure) {
        let seed = SeedFile.demo()
        let (history, style, hadPersona) = try await reporting { () async throws(Failure) in
            _ = try await administration.perform(LoadSeed(try seed.part(0)))
            let accountID = try await app.storage.accounts.account(named: account).id
            let history = DemoHistory(storage: app.storage, images: app.images, accountID: accountID)
            let style = try await history.writePast(before: .now)
            return (history, style, try await history.item(revisedPersona, .persona) != nil)
        }
        _ = try await SeedLoading.load([seed], progress: ProgressBar("Demo", total: seed.partCount)) { (part) throws(CommandFailure) in
            try await reporting { () async throws(Failure) in try await administration.perform(part) }
        }
        try await reporting { () async throws(Failure) in
            if !hadPersona, let persona = try await history.item(revisedPersona, .persona) {
                try await history.revise(persona, .persona, at: .now)
            }
            try await history.writePresent(trashing: style, at: .now)
            try folder.demoLoaded.write(app.storage.epoch.epoch.text)
        }
    }

    private static func reporting<Value: Sendable>(_ body: () async throws(Failure) -> Value) async throws(CommandFailure) -> Value {
        do throws(Failure) {
            return try await body()
        } catch {
            throw CommandFailure(error)
        }
    }

    /// Gives the account something to pay for trainings with, unless it has ever had any: enough for a hundred, or for as many as can be given at once.
    private static func giveCredits(_ administration: Administration, at prices: CreditPrices) async throws(Failure) {
        guard try await administration.perform(ListCredits(accountName: account, limit: 1)).rows.isEmpty else { return }
        let amount = min(trainingsPaid * max(prices.persona, prices.style, 1), CreditAmount.max)
        _ = try await administration.perform(
            AdjustCredits(.grant, accountName: account, amount: String(amount), note: "To try the service with"))
    }

    /// Whether a secret is good for the demo's account. What was done to the account is no reason for another key, which would be no better.
    private static func isGood(_ secret: String, _ app: Application) async throws(Failure) -> Bool {
        guard let found = try await app.storage.keys.find(secret: secret), found.account?.name == account else { return false }
        return found.key.state == .active && found.isCurrent(at: .now)
    }

    /// Issues a key in the place of those of its label. The file has the secret first, so that a start that is cut short leaves no key behind whose
    /// secret nobody has.
    private static func newKey(_ administration: Administration, _ file: SecretFile) async throws(Failure) -> String {
        try await administration.walk(ListKeys(accountName: account)) { (page) throws(Failure) in
            for key in page where key.label == label && key.state != .deleted {
                _ = try await administration.perform(SetKeyState(.deleted, id: key.id.text))
            }
            return true
        }
        let issued = try await administration.perform(PrepareKey(accountName: account, label: label, scopes: APIKey.defaultScopes))
        try file.write(issued.key)
        _ = try await administration.perform(CreateKey(issued))
        return issued.key
    }

    /// Prints how to try the service.
    static func introduce(key: String, address: String) {
        for line in introduction(key: key, address: address) { Output.line(line) }
    }

    /// The lines of the introduction. Those that begin with `export` and `curl` work as they are, as often as they are pasted, in any shell: whoever
    /// creates gives another name each time.
    static func introduction(key: String, address: String) -> [String] {
        let images = swatches.map { "\"\($0)\"" }.joined(separator: ",")
        let body = #"'{"name":"Persona '"$(date +%d%H%M%S%N)"'","image_base64s":["# + images + "]}'"
        return [
            "  console  \(address)/", "  key      \(key)", "  account  \(account)", "",
            "The demo is ready: open the console and paste the key, which stays the same when the demo is started again.", "",
            "Or keep the key for the lines below:", "", "export KEY=\(key)", "", "List the personas:", "",
            "curl -H \"X-Api-Key: $KEY\" \(address)/v2/personas; echo", "", "Create one:", "",
            "curl -H \"X-Api-Key: $KEY\" -H 'Content-Type: application/json' -d \(body) \(address)/v2/personas; echo", "",
        ]
    }
}

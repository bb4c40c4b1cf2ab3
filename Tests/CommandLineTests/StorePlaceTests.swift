import Personas
import PersonasS3
import Testing

@testable import PersonasCLI

@Suite("Where the data are")
struct StorePlaceTests {
    private static let keys = ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"]
    private static let shared = [
        "database": "postgres://personas:hidden@db.example/faces?sslmode=require", "media": "s3://faces/p?region=eu-1",
        "secrets-key-file": "keys/../secrets.key",
    ]

    private func place(_ flags: [String: String], environment: [String: String] = keys) throws -> StorePlace {
        try StorePlace(try Settings(flags: flags, configurationFile: nil, environment: [:]), environment: environment)
    }

    @Test("is a folder unless something else is said, which needs no keys")
    func folder() throws {
        #expect(try place([:], environment: [:]).words == "./data")
        #expect(try place(["data": "faces"], environment: [:]).absoluteWords.hasSuffix("/faces"))
    }

    @Test("is a database and a bucket where both are given, called by host and name and never by a password")
    func database() throws {
        let place = try place(Self.shared)
        guard case .shared(let shared) = place else {
            Issue.record("\(place)")
            return
        }
        #expect(shared.media.bucket == "faces" && shared.media.prefix == "p/")
        #expect(shared.secretsKeyFile.hasPrefix("/") && shared.secretsKeyFile.hasSuffix("/secrets.key"))
        #expect(place.words == "host=db.example dbname=faces user=personas sslmode=require")
        #expect(place.absoluteWords == place.words)
    }

    @Test("is refused by the name of what is missing", arguments: ["database", "media", "secrets-key-file"])
    func incomplete(name: String) throws {
        var flags = Self.shared
        flags[name] = nil
        #expect {
            _ = try place(flags)
        } throws: { error in
            guard case .configuration(let setting, let reason)? = error as? Failure else { return false }
            return setting == name && reason.hasPrefix("is missing")
        }
    }

    @Test("is refused with a folder besides, without the bucket's keys, and with addresses that cannot be read")
    func refused() throws {
        func setting(_ flags: [String: String], environment: [String: String] = Self.keys) throws -> String? {
            do {
                _ = try place(Self.shared.merging(flags) { $1 }, environment: environment)
                return nil
            } catch Failure.configuration(let setting, _) {
                return setting
            }
        }
        #expect(try setting([:]) == nil)
        #expect(try setting(["data": "faces"]) == "data")
        #expect(try setting([:], environment: [:]) == "media")
        #expect(try setting(["media": "faces"]) == "media")
        #expect(try setting(["database": "postgres:/x y=?"]) == "database")
    }
}

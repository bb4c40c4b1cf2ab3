import Personas
import Testing

@testable import PersonasCLI

@Suite("Output")
struct OutputTests {
    @Test("Columns are as wide as they need to be, and lines have no white space at their ends")
    func table() {
        let lines = Output.tableLines(["name", "state"], [["a", "on"], ["longer name", ""], ["ü", "off"]])
        #expect(lines == ["NAME         STATE", "a            on", "longer name", "ü            off"])
        #expect(Output.tableLines(["name"], []) == ["NAME"])
    }

    @Test("Pages of a table stand below one another; columns widen only where they need to")
    func pages() {
        var widths: [Int] = []
        #expect(Output.lines([["NAME", "STATE"], ["abcdef", "on"]], widening: &widths) == ["NAME    STATE", "abcdef  on"])
        #expect(Output.lines([["a", "on"], ["abcdefgh", "on"]], widening: &widths) == ["a         on", "abcdefgh  on"])
        #expect(Output.lines([["a", "off"]], widening: &widths) == ["a         off"])
        #expect(Output.lines([], widening: &widths) == [])
    }

    @Test("Reports are printed with the words of their members parted by underscores, and no value is changed")
    func json() throws {
        var check = IntegrityReport()
        check.add(Finding(.rowOrphaned, "someFile", "camelCase", repaired: true))
        var seed = SeedReport()
        (seed.reservedNames, seed.blockedTerms) = (1, 2)
        let moment = Timestamp(milliseconds: 0)
        for (json, text) in [
            (
                try Output.jsonText(BackupReport(directory: "/b", createdAt: "t", items: 1, images: 2, imageBytes: 3, databaseBytes: 4)),
                #"{"created_at":"t","database_bytes":4,"directory":"/b","image_bytes":3,"images":2,"items":1}"#
            ),
            (
                try Output.jsonText(check),
                #"{"counts":{"files":0,"findings":1,"findings_by_kind":{"row_orphaned":1},"image_bytes":0,"images":0,"items":0,"oldest_removal_seconds":0,"#
                    + #""pending_removals":0,"repaired":1},"findings":[{"detail":"camelCase","kind":"row_orphaned","repaired":true,"#
                    + #""subject":"someFile"}],"sound":true}"#
            ),
            (
                try Output.jsonText(seed),
                #"{"accounts":0,"blocked_terms":2,"keys":[],"personas":0,"reserved_names":1,"styles":0}"#
            ),
            (
                try Output.jsonText(MigrationReport(name: "v0001_first", state: .applied, appliedAt: moment, hash: "aB")),
                #"{"applied_at":"1970-01-01T00:00:00.000Z","hash":"aB","name":"v0001_first","state":"applied"}"#
            ),
        ] {
            #expect(json == text)
        }
    }

    @Test("Control characters become visible")
    func printable() {
        #expect(Output.printable("plain ü 🙂") == "plain ü 🙂")
        #expect(!Output.printable("a\u{1B}[31mb\nc").unicodeScalars.contains { $0.value < 0x20 })
    }

    @Test("A failure is one line that begins with the program's name, and a code where it has one")
    func failures() {
        #expect(CommandFailure(Failure.notFound).line.hasPrefix("personas: NOT_FOUND: "))
        #expect(CommandFailure(Failure.notFound).status == .failed)
        #expect(
            CommandFailure(Failure.configuration(setting: "port", reason: "is odd")).line == "personas: CONFIGURATION_ERROR: port: is odd")
        #expect(CommandFailure(.unavailable, "no server answers").line == "personas: no server answers")
        #expect(CommandFailure(opening: "d", .unexpected("disk I/O error")).status == .unavailable)
        #expect(CommandFailure(opening: "d", .unexpected("disk I/O error")).line.contains("disk I/O error"))
        #expect(CommandFailure(opening: "d", .configuration(setting: "data", reason: "is a file")).status == .configuration)
    }

    @Test("What a worker fetches stays on its server, whatever address an answer names")
    func mediaAddresses() {
        let client = "http://10.0.0.1:8080"
        let addresses: [(String, String?)] = [
            ("http://10.0.0.1:8080/media/abc", "\(client)/media/abc"), ("https://public.example/base/media/abc", "\(client)/media/abc"),
            ("http://169.254.169.254/latest/meta-data", nil), ("http://10.0.0.1:8080/media/", nil),
            ("http://10.0.0.1:8080/media/abc?x=1", nil),
            ("file:///etc/passwd", nil), ("", nil),
        ]
        for (address, expected) in addresses { #expect(TrainingServer.mediaURL(address, at: client) == expected, "\(address)") }
    }
}

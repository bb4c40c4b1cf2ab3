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
        let moment = Timestamp(milliseconds: 0)
        for (json, text) in [
            (
                try Output.jsonText(BackupReport(directory: "/b", createdAt: "t", items: 1, images: 2, imageBytes: 3, databaseBytes: 4)),
                #"{"created_at":"t","database_bytes":4,"directory":"/b","image_bytes":3,"images":2,"items":1,"retention":null}"#
            ),
            (
                try Output.jsonText(check),
                #"{"counts":{"files":0,"findings":1,"findings_by_kind":{"row_orphaned":1},"image_bytes":0,"images":0,"items":0,"oldest_removal_seconds":0,"#
                    + #""pending_removals":0,"repaired":1},"findings":[{"detail":"camelCase","kind":"row_orphaned","repaired":true,"#
                    + #""subject":"someFile"}],"sound":true}"#
            ),
            (
                try Output.jsonText(MigrationReport(name: "v0001_first", state: .applied, appliedAt: moment, hash: "aB")),
                #"{"applied_at":"1970-01-01T00:00:00.000Z","hash":"aB","name":"v0001_first","state":"applied"}"#
            ),
        ] {
            #expect(json == text)
        }
    }

    @Test("JSON has every member, null included, wherever it stands; keys of metadata are nobody's but their owner's")
    func everyMember() throws {
        struct Inner: Encodable {
            var aText: String?
            var aNumber: Int?
            var list: [Inner] = []
        }
        struct Outer: Encodable {
            var inner: Inner?
            var isThere: Bool?
            var scopes: Set<Scope>? = [.read]
            var metadata: [String: String]? = ["aKey": "aB"]
            var shown: [ShownValue] = [.nothing, .text("x"), .list(["y"]), .integer(1), .toggle(true)]
        }
        #expect(
            try Output.jsonText([Outer(), Outer(inner: Inner(list: [Inner(aText: "t", aNumber: 2)]))])
                == #"[{"inner":null,"is_there":null,"metadata":{"aKey":"aB"},"scopes":["read"],"shown":[null,"x",["y"],1,true]},"#
                + #"{"inner":{"a_number":null,"a_text":null,"list":[{"a_number":2,"a_text":"t","list":[]}]},"is_there":null,"#
                + #""metadata":{"aKey":"aB"},"scopes":["read"],"shown":[null,"x",["y"],1,true]}]"#)
        let pending = MigrationReport(name: "v0001_first", state: .pending, appliedAt: nil, hash: "aB")
        #expect(try Output.jsonText(pending) == #"{"applied_at":null,"hash":"aB","name":"v0001_first","state":"pending"}"#)
    }

    @Test("Columns stay under one another whatever the characters are, and whatever had to be made visible")
    func wideCharacters() {
        for (text, columns) in [
            ("", 0), ("Ann", 3), ("Jürgen", 6), ("Ju\u{308}rgen", 6), ("日本語", 6), ("한국어", 6), ("\u{1112}\u{1161}\u{11AB}", 2), ("ｱｲｳ", 3),
            ("ＡＢ", 4), ("🙂", 2), ("👩‍👩‍👧", 2), ("❤️", 2), ("❤", 1), ("🇩🇪", 2), ("é\u{301}\u{301}", 1), ("א", 1), ("…", 1), ("¹", 1), ("𠀀", 2),
        ] {
            #expect(TextWidth.columns(of: text) == columns, "\(text)")
        }
        #expect(Output.tableLines(["name", "state"], [["日本", "on"], ["abcd", "off"]]) == ["NAME  STATE", "日本  on", "abcd  off"])
        let lines = Output.tableLines(["name", "x"], [["a\u{1B}b", "on"], ["👩‍👩‍👧", "on"]])
        #expect(lines == ["NAME      X", #"a\u{1B}b  on"#, "👩‍👩‍👧        on"])
    }

    @Test("Control characters become visible")
    func printable() {
        #expect(Output.printable("👩‍👩‍👧") == "👩‍👩‍👧")
        #expect(Output.printable("a\u{200D}b") == #"a\u{200D}b"#)
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

    @Test("A failure for several reasons is a line for each, and one message")
    func severalReasons() {
        let failure = CommandFailure(lines: ["a.json:1: x", "b.json:2: y"])
        #expect(failure.lines == ["personas: a.json:1: x", "personas: b.json:2: y"])
        #expect(failure.message == "a.json:1: x\nb.json:2: y" && failure.code == "VALIDATION_ERROR" && failure.status == .failed)
        #expect(CommandFailure(.unavailable, "no server answers").lines == ["personas: no server answers"])
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

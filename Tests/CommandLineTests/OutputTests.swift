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
        #expect(CommandFailure(.unavailable, "nobody answers").line == "personas: nobody answers")
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

import Personas
import Testing

@testable import PersonasCLI

@Suite("Limits of the process")
struct ProcessLimitsTests {
    @Test("As many connections are taken as there are descriptors for, with those for images and refusals")
    func connections() throws {
        let wanted = ProcessLimits.descriptors(forConnections: 512)
        #expect(wanted == 512 + 256 + 32)
        let enough = try ProcessLimits.connections(upTo: 512, used: 50, limit: 50 + wanted)
        #expect(enough == ProcessLimits.Connections(count: 512, needed: 50 + wanted, limit: 50 + wanted))
        let oneShort = try ProcessLimits.connections(upTo: 512, used: 50, limit: 49 + wanted)
        #expect(oneShort.count == 511)
        let small = try ProcessLimits.connections(upTo: 512, used: 70, limit: 100)
        #expect(small.count == 15 && small.needed == 70 + wanted)
        #expect(70 + ProcessLimits.descriptors(forConnections: small.count) <= 100)
    }

    @Test("A limit that leaves next to nothing is refused by the name of the setting")
    func tooFew() {
        #expect {
            try ProcessLimits.connections(upTo: 512, used: 95, limit: 100)
        } throws: { error in
            guard case .configuration("connections-max", let reason) = error as? Failure else { return false }
            return reason.contains("100")
        }
    }

    @Test("One connection is enough where no more is asked for")
    func single() throws {
        #expect(try ProcessLimits.connections(upTo: 1, used: 90, limit: 100).count == 1)
    }
}

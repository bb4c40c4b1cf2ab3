import Personas
import Testing

@testable import PersonasCLI

@Suite("Limits of the process")
struct ProcessLimitsTests {
    private func connections(upTo count: Int, isExact: Bool = false, used: Int, limit: Int) throws -> ProcessLimits.Connections {
        try ProcessLimits.connections(upTo: count, isExact: isExact, used: used, limit: limit)
    }

    @Test("As many connections are taken as there are descriptors for, with those for images and refusals")
    func connections() throws {
        let wanted = ProcessLimits.descriptors(forConnections: 512)
        #expect(wanted == 512 + 256 + 32)
        let enough = try connections(upTo: 512, used: 50, limit: 50 + wanted)
        #expect(enough == ProcessLimits.Connections(count: 512, needed: 50 + wanted, limit: 50 + wanted))
        let oneShort = try connections(upTo: 512, used: 50, limit: 49 + wanted)
        #expect(oneShort.count == 511)
        let small = try connections(upTo: 512, used: 70, limit: 100)
        #expect(small.count == 15 && small.needed == 70 + wanted)
        #expect(70 + ProcessLimits.descriptors(forConnections: small.count) <= 100)
    }

    @Test("Many connections need few descriptors beyond their own: images and refusals are bounded")
    func many() throws {
        #expect(ProcessLimits.descriptors(forConnections: 10_000) == 10_000 + 1_024 + 256)
        #expect(ProcessLimits.descriptors(forConnections: 65_535) == 65_535 + 1_024 + 256)
        let usual = try connections(upTo: 10_000, used: 70, limit: 1_024)
        #expect(usual.count > 512 && 70 + ProcessLimits.descriptors(forConnections: usual.count) <= 1_024)
    }

    @Test("A number that somebody has set is met or refused, with both numbers and what to do")
    func exact() throws {
        let needed = 70 + ProcessLimits.descriptors(forConnections: 2_000)
        #expect(try connections(upTo: 2_000, isExact: true, used: 70, limit: needed).count == 2_000)
        #expect {
            try connections(upTo: 2_000, isExact: true, used: 70, limit: needed - 1)
        } throws: { error in
            guard case .configuration("connections-max", let reason) = error as? Failure else { return false }
            return ["is 2000", "needs \(needed)", "\(needed - 1) are allowed", "ulimit -n", "to 1999 or less"].allSatisfy(reason.contains)
        }
    }

    @Test("A limit that leaves next to nothing is refused by the name of the setting")
    func tooFew() {
        #expect {
            try connections(upTo: 512, used: 95, limit: 100)
        } throws: { error in
            guard case .configuration("connections-max", let reason) = error as? Failure else { return false }
            return reason.contains("100") && !reason.contains("or less")
        }
    }

    @Test("One connection is enough where no more is asked for")
    func single() throws {
        #expect(try connections(upTo: 1, used: 90, limit: 100).count == 1)
    }

    @Test("There are 10,000 connections by default, and whether somebody has set a number is known, even where it is the same")
    func sources() throws {
        let byDefault = try Settings(flags: [:], configurationFile: nil, environment: [:])
        #expect(byDefault.connectionsMax == 10_000 && byDefault.source(of: \.connectionsMax) == .default)
        let set = try Settings(flags: ["connections-max": "10000"], configurationFile: nil, environment: [:])
        #expect(set.connectionsMax == 10_000 && set.source(of: \.connectionsMax) == .flag)
        let variables = ["PERSONAS_CONNECTIONS_MAX": "10000"]
        #expect(try Settings(flags: [:], configurationFile: nil, environment: variables).source(of: \.connectionsMax) == .environment)
    }
}

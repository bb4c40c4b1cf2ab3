import Foundation
import Personas
import Testing

@testable import PersonasCLI

@Suite("What a server takes from commands")
struct AdministrationRegistryTests {
    @Test("is every operation that there is: none is without a command")
    func complete() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Sources/Personas")
        let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".swift") }
        let names = try files.flatMap { file in
            try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
                .matches(of: /struct (\w+): (?:AdministrationOperation|PagedOperation)/).map { String($0.output.1) }
        }
        #expect(names.count > 15)
        for name in names { #expect(AdministrationRegistry.ofCommands.operation(named: name) != nil, "\(name)") }
        #expect(AdministrationRegistry.ofCommands.operation(named: "BrewCoffee") == nil)
        #expect(AdministrationRegistry.ofCommands.operation(named: "BackUp")?.isLong == true)
        #expect(AdministrationRegistry.ofCommands.operation(named: "ListKeys")?.isLong == false)
        // Whoever asks for one of these has a running server in mind. What only looks, or makes what a server is begun with, has none.
        let aiming = names.filter { AdministrationRegistry.ofCommands.operation(named: $0)?.aimsAtServer == true }
        #expect(
            Set(aiming) == [
                "SetMaintenance", "SetSuspended", "SetAPIAccess", "SetKeyState", "ReserveNames", "ReleaseNames", "DisableWebhook",
            ])
    }
}

import Foundation
import Testing

@Suite("Processes beside the tests")
struct ChildProcessTests {
    @Test("what a process writes to is open in that process alone")
    func outputs() async throws {
        try await Stage.run { stage in
            let child = try stage.start(["--help"], data: nil)
            let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
                .compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)") }
            #expect(Set(open).isDisjoint(with: child.outputPaths))
            #expect(try await child.exit() == .status(0))
        }
    }
}

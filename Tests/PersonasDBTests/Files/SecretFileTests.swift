import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("A file with a secret")
struct SecretFileTests {
    private func run(_ test: (SecretFile, String) throws -> Void) throws {
        let folder = try TemporaryFolder.make("secret")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try test(DataFolder(folder).demoKey, folder)
    }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test("It gives back what was put in last, and no other user can read it")
    func written() throws {
        try run { file, folder in
            #expect(file.read() == nil)
            for text in ["pkz_first", "pkz_second"] {
                try file.write(text)
                #expect(file.read() == text)
                #expect(try mode(file.path) == 0o600)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["demo.key"])
        }
    }

    @Test("What a kill left half written does not keep the next from being written")
    func leftOver() throws {
        try run { file, folder in
            try Data("pkz_ha".utf8).write(to: URL(fileURLWithPath: file.path + ".incomplete"))
            #expect(file.read() == nil)
            try file.write("pkz_whole")
            #expect(file.read() == "pkz_whole")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["demo.key"])
        }
    }

    @Test(
        "One that others could read or write, that is a link, is no file or holds something else is as if it were not there, and can be replaced"
    )
    func unusable() throws {
        try run { file, folder in
            let other = folder + "/other"
            let ways: [(String) throws -> Void] = [
                { try #require(chmod($0, 0o640) == 0) }, { try #require(chmod($0, 0o602) == 0) },
                { path in
                    try FileManager.default.moveItem(atPath: path, toPath: other)
                    try #require(symlink(other, path) == 0)
                },
                { try #require(link($0, folder + "/second") == 0) },
                { try Data(repeating: 0x61, count: 1_000).write(to: URL(fileURLWithPath: $0)) },
                { try Data().write(to: URL(fileURLWithPath: $0)) }, { try Data([0xFF, 0xFE]).write(to: URL(fileURLWithPath: $0)) },
            ]
            for (index, way) in ways.enumerated() {
                try file.write("pkz_\(index)")
                #expect(file.read() == "pkz_\(index)")
                try way(file.path)
                #expect(file.read() == nil, "\(index)")
                for name in ["other", "second"] { unlink("\(folder)/\(name)") }
            }
            try file.write("pkz_last")
            #expect(file.read() == "pkz_last")
        }
    }

    @Test("A folder that cannot be written to is told")
    func refused() throws {
        let file = DataFolder("/proc/nothing").demoKey
        let failure = #expect(throws: Failure.self) { try file.write("pkz_x") }
        guard case .file(let reason)? = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(reason.text.contains("/proc/nothing"))
    }
}

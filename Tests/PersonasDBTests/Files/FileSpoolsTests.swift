import Crypto
import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasDB

/// Room for archives on the disk.
@Suite("Spooled archives", .timeLimit(.minutes(1)))
struct FileSpoolsTests {
    private func withSpools<Value>(_ body: (FileSpools, String) async throws -> Value) async throws -> Value {
        try await withTemporaryFolder("spools", inMemory: true) { folder in
            let spools = FileSpools(folder: folder)
            defer { spools.close() }
            return try await body(spools, folder)
        }
    }

    @Test("hold what was appended, with its digest, under no name")
    func content() async throws {
        try await withSpools { spools, folder in
            let spool = try spools.makeSpool(for: 100_000)
            let parts = (0..<20).map { [UInt8](repeating: $0, count: 5_000 + Int($0)) }
            for part in parts { try await spool.append(part) }
            let all = parts.flatMap { $0 }
            #expect(spool.digest == Array(SHA256.hash(data: all)))
            let read = try await spool.perform { (file) throws(Failure) in
                (file.byteCount, try file.read(at: 0, count: 1 << 20), try file.read(at: all.count - 3, count: 10))
            }
            #expect(read.0 == all.count && read.1 == all && read.2 == all.suffix(3))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
            await #expect(throws: Failure.nameReserved) {
                try await spool.perform { (_) throws(Failure) -> Int in throw .nameReserved }
            }
        }
    }

    @Test("are refused where the disk has no room for them")
    func room() async throws {
        try await withSpools { spools, _ in
            let failure = await #expect(throws: Failure.self) { try spools.makeSpool(for: 1 << 60) }
            guard case .storeBusy = failure else {
                Issue.record("\(String(describing: failure))")
                return
            }
        }
    }

    @Test("are remembered by their digests, however many there are and wherever these lie")
    func index() async throws {
        try await withSpools { spools, folder in
            let index = try spools.makeIndex()
            func digest(_ number: Int) -> [UInt8] { Array(SHA256.hash(data: Data("\(number)".utf8))) }
            // Those that begin alike are looked for from one place on.
            func alike(_ number: Int) -> [UInt8] { Array(repeating: 0xFF, count: 31) + [UInt8(number)] }
            #expect(try index.place(of: digest(0)) == nil)
            for number in 0..<20_000 { #expect(try index.insert(digest(number), at: number..<2 * number + 1)) }
            for number in 0..<100 { #expect(try index.insert(alike(number), at: number..<number + 7)) }
            for number in 0..<20_000 {
                #expect(try index.place(of: digest(number)) == number..<2 * number + 1)
                #expect(try number % 100 != 0 || !index.insert(digest(number), at: 0..<1))
            }
            for number in 0..<100 { #expect(try index.place(of: alike(number)) == number..<number + 7) }
            #expect(try index.place(of: digest(20_000)) == nil && index.place(of: alike(100)) == nil)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        }
    }
}

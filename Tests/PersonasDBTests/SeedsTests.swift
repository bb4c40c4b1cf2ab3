import Foundation
import Personas
import PersonasDB
import Testing

@Suite("The seeds that the binary carries")
struct SeedsTests {
    @Test("The seeds that the binary carries can be read")
    func seeds() throws {
        let demo = try JSONDecoder().decode(SeedDocument.self, from: Data(Seeds.demo))
        #expect(demo.personas?.isEmpty == false)
        let names = try JSONDecoder().decode(SeedDocument.self, from: Data(Seeds.reservedNames)).reservedNames ?? []
        #expect(!names.isEmpty)
        for name in names { #expect(try Name(normalising: name).text == name) }
    }

    @Test("The list of pictures holds every file of the folder unchanged, each small enough to be embedded, and the demo names them all")
    func pictures() throws {
        let seeds = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../db/seeds").standardized
        let files = try FileManager.default.contentsOfDirectory(atPath: seeds.appendingPathComponent("pictures").path)
        #expect(Set(Seeds.demoPictures.keys) == Set(files.map { "pictures/" + $0 }))
        for (path, bytes) in Seeds.demoPictures {
            #expect(try Data(contentsOf: seeds.appendingPathComponent(path)) == Data(bytes), "\(path)")
            #expect(bytes.count < 16_384, "\(path)")
        }
        let demo = try JSONDecoder().decode(SeedDocument.self, from: Data(Seeds.demo))
        let named = ((demo.personas ?? []) + (demo.styles ?? [])).flatMap(\.images)
        #expect(named.count == Seeds.demoPictures.count && Set(named) == Set(Seeds.demoPictures.keys))
    }
}

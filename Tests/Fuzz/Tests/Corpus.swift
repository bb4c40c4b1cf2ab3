import Foundation
import FuzzTargets

/// The inputs from which fuzzing starts, as files.
enum Corpus {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Corpus"

    /// The names of its folders, one for each target.
    static func folders() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: root) }

    /// The files of a target by name.
    static func files(of target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
        try FileManager.default.contentsOfDirectory(atPath: "\(root)/\(target.name)").sorted().map { name in
            (name, [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(root)/\(target.name)/\(name)"))))
        }
    }
}

import Foundation

/// Small images made by an independent encoder (Pillow 13), which lie as files among the inputs of the fuzzer.
package enum SampleImages {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fuzz/Corpus/images")

    /// The bytes of a file; none where there is no such file, which no test accepts.
    package static func bytes(_ name: String) -> [UInt8] {
        (try? Data(contentsOf: folder.appendingPathComponent(name))).map(Array.init) ?? []
    }
}

import CEmbedded
import NIOCore

/// The files that the executable carries, which lie in the folders beside this one.
enum EmbeddedFiles {
    /// The bytes of each file by its path from the folder `http`, copied once for all services of the process.
    static let all: [String: ByteBuffer] = {
        var files: [String: ByteBuffer] = [:]
        for index in 0..<embedded_file_count() {
            let file = embedded_file(index)
            files[String(cString: file.path)] = ByteBuffer(bytes: UnsafeRawBufferPointer(start: file.bytes, count: file.count))
        }
        return files
    }()
}

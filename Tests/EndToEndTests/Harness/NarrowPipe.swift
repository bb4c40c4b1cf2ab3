import Foundation
import TestSupport

/// A pipe with room for little, as standard output of a command: what reads it decides how far the command comes.
final class NarrowPipe: Sendable {
    /// The least that a pipe has room for, a page.
    static let bytesMax = 4_096

    /// For a shell that becomes the command: `launcher` of `Stage.start`.
    let launcher: [String]
    private let descriptor: Int32
    /// `F_SETPIPE_SZ` of fcntl(2), which the C library hides from Swift.
    private static let setPipeSize: Int32 = 1_031

    /// Makes it in a folder. It has a writer of its own, so that it never comes to its end.
    init(in folder: String) throws {
        let path = "\(folder)/pipe-\(UUID().uuidString)"
        guard mkfifo(path, 0o600) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        descriptor = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0, fcntl(descriptor, Self.setPipeSize, Int32(Self.bytesMax)) >= 0 else {
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
        }
        launcher = ["/bin/sh", "-c", "exec \"$0\" \"$@\" > \(path)"]
    }

    deinit { close(descriptor) }

    /// Leaves room for so many bytes.
    func fill(leaving roomBytes: Int) {
        let filler = [UInt8](repeating: UInt8(ascii: " "), count: Self.bytesMax - roomBytes)
        _ = Foundation.write(descriptor, filler, filler.count)
    }

    /// Takes what is in it.
    func take() -> String {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: Self.bytesMax)
        while true {
            let count = Foundation.read(descriptor, &part, part.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += part.prefix(count)
        }
    }

    /// Waits until a command can write no more, or has ended.
    func isStuck(_ process: ChildProcess) async throws {
        try await eventually("a command that waits for room", detail: { process.standardError }) {
            if process.exit != nil { return true }
            let tasks = "/proc/\(process.id)/task"
            let names = (try? FileManager.default.contentsOfDirectory(atPath: tasks)) ?? []
            return names.contains { name in
                let place = FileManager.default.contents(atPath: "\(tasks)/\(name)/wchan").map { String(decoding: $0, as: UTF8.self) }
                return place?.contains("pipe_write") ?? false
            }
        }
    }
}

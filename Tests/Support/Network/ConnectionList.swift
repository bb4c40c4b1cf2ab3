import Foundation

/// Connections to servers that stand still, as the files of proc(5) list them: the kernel takes them in their stead.
package enum ConnectionList {
    /// How many connections to a Unix socket wait to be accepted.
    /// - Parameter path: of the socket.
    package static func waitingCount(at path: String) throws -> Int {
        try lines(of: "/proc/net/unix").count { words in
            // State 2 is that of a connection that is being made.
            words.count == 8 && words[5] == "02" && words[7] == path
        }
    }

    /// How many connections to a TCP port of this machine hold bytes that nobody has read.
    package static func unreadCount(port: Int) throws -> Int {
        let suffix = ":" + String(format: "%04X", port)
        return try lines(of: "/proc/net/tcp").count { words in
            // State 1 is that of an established connection. Behind its bytes to send stand those to read.
            words.count > 4 && words[1].hasSuffix(suffix) && words[3] == "01" && !words[4].hasSuffix(":00000000")
        }
    }

    private static func lines(of file: String) throws -> [[Substring]] {
        // Read by its path it would be cut off after a page: files of proc(5) do not say how long they are.
        let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
        defer { try? handle.close() }
        return String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self).split(separator: "\n").map { $0.split(separator: " ") }
    }
}

import TestSupport

/// A client that asks for something, sees the answer begin, and then reads nothing more. It goes with its last owner.
struct StalledReader: Sendable {
    private let socket: Socket

    /// Returns when the answer has begun.
    init(port: Int, path: String) async throws {
        let socket = try Socket(.port(port), receiveBufferBytes: 4_096)
        socket.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
        try await eventually("the beginning of an answer") { !socket.peek(1).isEmpty }
        self.socket = socket
    }
}

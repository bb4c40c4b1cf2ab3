/// What a client that sends bytes as they are got to see.
package struct RawExchange: Sendable {
    /// Everything that was received.
    package fileprivate(set) var bytes: [UInt8] = []
    /// The same as a text, which was put together piece by piece.
    package fileprivate(set) var text = ""
    /// Whether the server closed the connection, rather than the client having seen enough.
    package fileprivate(set) var wasClosed = false
    /// How long it took until then.
    package fileprivate(set) var duration = Duration.zero

    /// The status lines of the answers, in their order, without the version.
    package var statusLines: [String] { text.matches(of: /HTTP\/1\.1 ([0-9]{3} [^\r\n]*)/).map { String($0.output.1) } }

    /// The statuses of the answers, in their order.
    package var statuses: [Int] { statusLines.compactMap { Int($0.prefix(3)) } }

    /// The body of the last answer.
    package var body: String { text.ranges(of: "\r\n\r\n").last.map { String(text[$0.upperBound...]) } ?? "" }
}

/// The client's end of a connection, for sending a request in whatever pieces.
package struct RawWriter: Sendable {
    fileprivate let socket: Socket
    fileprivate let received: Shared<RawExchange>

    /// Sends a text. Returns when the operating system has taken it.
    package func write(_ text: String) async throws { try await write(Array(text.utf8)) }

    /// Sends bytes. Returns when the operating system has taken them.
    /// - Throws: `ConnectionFailure` when the server has closed the connection.
    package func write(_ bytes: [UInt8]) async throws {
        var sent = 0
        while sent < bytes.count {
            guard let count = bytes.withUnsafeBytes({ socket.send(UnsafeRawBufferPointer(rebasing: $0[sent...])) }) else {
                throw ConnectionFailure.closed(isBeforeAnswer: false)
            }
            sent += count
            if count == 0 { try await Task.sleep(for: .milliseconds(1)) }
        }
    }

    /// Closes the sending side only.
    package func finish() { socket.endOutput() }

    /// Waits until the server has sent a text.
    package func awaitAnswer(_ text: String) async throws {
        try await eventually("an answer with \(text)", detail: { received.value.text }) { received.value.text.contains(text) }
    }
}

/// Sends bytes to a server on this machine and reads what comes back.
/// - Parameters:
///   - readsAnswer: whether anything is read at all. A client that reads nothing learns only by writing that the server is gone, so the
///     exchange then lasts until `write` is over.
///   - pause: how long the client rests after each piece that it reads.
///   - isComplete: when the client has seen enough; by default not before the server closes.
///   - write: sends the request. It is cancelled when the connection ends.
package func rawExchange(
    _ address: Socket.Address, within limit: Duration = timeout, readsAnswer: Bool = true, pause: Duration = .zero,
    until isComplete: @escaping @Sendable (String) -> Bool = { _ in false }, write: @escaping @Sendable (RawWriter) async throws -> Void
) async throws -> RawExchange {
    let start = ContinuousClock.now
    let writer = RawWriter(socket: try Socket(address), received: Shared(RawExchange()))
    return try await bounded("the raw exchange", within: limit) {
        try await withThrowingTaskGroup(of: Bool?.self) { group in
            group.addTask {
                do {
                    try await write(writer)
                } catch let problem as Overdue {
                    throw problem
                } catch {
                    // A connection that the server has closed is an outcome to look at, not an error.
                }
                return readsAnswer ? nil : true
            }
            if readsAnswer { group.addTask { try await read(writer, pause: pause, until: isComplete) } }
            defer { group.cancelAll() }
            var exchange = RawExchange()
            while let wasClosed = try await group.next() {
                guard let wasClosed else { continue }
                exchange = writer.received.value
                exchange.wasClosed = wasClosed
                break
            }
            exchange.duration = start.duration(to: .now)
            return exchange
        }
    }
}

/// Sends one text and reads until the server closes, or until the client has seen enough.
/// - Parameter endsOutput: whether the client says that nothing more will come.
package func rawExchange(
    _ address: Socket.Address, sending text: String, endsOutput: Bool = false,
    until isComplete: @escaping @Sendable (String) -> Bool = { _ in false }
) async throws -> RawExchange {
    try await rawExchange(address, until: isComplete) { writer in
        try await writer.write(text)
        if endsOutput { writer.finish() }
    }
}

/// Reads until the end, or until the client has seen enough. Whether it was the end.
private func read(_ writer: RawWriter, pause: Duration, until isComplete: @Sendable (String) -> Bool) async throws -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        switch writer.socket.receive(into: &buffer, atMost: buffer.count) {
        case .bytes(let count):
            let isEnough = writer.received.withLock { exchange in
                exchange.bytes += buffer[..<count]
                exchange.text += String(decoding: buffer[..<count], as: UTF8.self)
                return isComplete(exchange.text)
            }
            if isEnough { return false }
            if pause > .zero { try await Task.sleep(for: pause) }
        case .nothing: try await Task.sleep(for: .milliseconds(1))
        case .closed: return true
        }
    }
}

/// Whether a process takes connections on a port of this machine.
package func isListening(port: Int) -> Bool { (try? Socket(.port(port))) != nil }

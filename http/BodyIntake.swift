package import CoreMetrics
import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
package import Personas
import PersonasWire
import Synchronization

/// Reads request bodies, and bounds how many large ones are worked on at once, because each costs a multiple of its size while it is.
struct BodyIntake: Sendable {
    /// From this size on a body counts as large.
    private static let largeBodyBytes = 1_048_576

    let bodyBytesMax: Int
    let budget: BodyBudget
    let largeBodies: Gate

    /// Reads a JSON object from the body and hands it to `handle`.
    /// - Throws: `UNSUPPORTED_MEDIA_TYPE`, `PAYLOAD_TOO_LARGE`, `tooManyRequests` when memory is short, `invalid`.
    func withObject<Value: Sendable>(
        of request: Request, from caller: Caller, _ handle: (JSONObject) async throws -> Value
    ) async throws -> Value {
        // Without a body and a type for it there is nothing of the wrong type, only nothing.
        if request.announcesBody || request.headers[.contentType] != nil { try request.requireJSON() }
        var reservedBytes = 0
        defer { budget.giveBack(reservedBytes, from: caller.keyID) }
        let bytes = try await request.bodyBytes(upTo: bodyBytesMax) { count in
            guard budget.reserve(count, for: caller.keyID) else { throw Failure.tooManyRequests(.bodyBytes, retryAfterSeconds: 1) }
            reservedBytes += count
        }
        guard bytes.count >= Self.largeBodyBytes else { return try await handle(try JSONObject(bytes)) }
        await largeBodies.enter()
        defer { largeBodies.leave() }
        return try await handle(try JSONObject(bytes))
    }
}

extension Request {
    /// Whether the header says that a body follows.
    var announcesBody: Bool { headers[.transferEncoding] != nil || headers[.contentLength].map { $0 != "0" } ?? false }
}

/// The memory for request bodies that are being received or worked on. No key gets more than half, so that one which uploads slowly, and much,
/// cannot keep all others out.
package final class BodyBudget: Sendable {
    private struct State {
        var reservedBytes = 0
        var byKey: [Identifier: Int] = [:]
    }

    private let bytesMax: Int
    private let state = Mutex(State())

    /// - Parameter bytesMax: bytes of all bodies together.
    package init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    /// Reserves bytes for a body of a key. A body is always let in where the key has no other, whatever its size. False when there is no room.
    package func reserve(_ count: Int, for keyID: Identifier) -> Bool {
        state.withLock { state in
            let own = state.byKey[keyID] ?? 0
            guard state.reservedBytes + count <= bytesMax, own == 0 || own + count <= bytesMax / 2 else { return false }
            state.reservedBytes += count
            state.byKey[keyID] = own + count
            return true
        }
    }

    /// Gives bytes back.
    package func giveBack(_ count: Int, from keyID: Identifier) {
        guard count > 0 else { return }
        state.withLock { state in
            state.reservedBytes -= count
            let own = (state.byKey[keyID] ?? 0) - count
            state.byKey[keyID] = own > 0 ? own : nil
        }
    }
}

/// Lets a number of tasks in at a time; the others wait their turn.
package final class Gate: Sendable {
    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>
    private let waiting: Meter?

    /// A gate for that many at a time.
    /// - Parameter waiting: told how many wait.
    package init(places: Int, waiting: Meter? = nil) {
        state = Mutex(State(free: places))
        self.waiting = waiting
    }

    /// Takes a place, waiting for one if need be. A cancelled task still gets its turn, and finds out behind the gate.
    package func enter() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.free > 0 else {
                    state.waiting.append(continuation)
                    waiting?.set(state.waiting.count)
                    return false
                }
                state.free -= 1
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    /// Gives a place back.
    package func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return nil
            }
            defer { waiting?.set(state.waiting.count) }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}

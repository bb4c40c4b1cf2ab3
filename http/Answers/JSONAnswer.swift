import HTTPTypes
import Hummingbird
import NIOCore
import PersonasWire

/// A JSON answer before it becomes a response: what can be kept under an idempotency key and given again.
struct JSONAnswer: Sendable {
    private static let jsonType = HTTPField(name: .contentType, value: "application/json")

    let status: HTTPResponse.Status
    /// Its headers, in the order in which they are sent.
    let headers: HTTPFields
    /// The JSON; nil for an answer without a body.
    let body: ByteBuffer?

    /// An answer with the type of its body between headers, each of which keeps its place whatever clients make of it.
    init(status: HTTPResponse.Status = .ok, before: HTTPFields = [:], after: HTTPFields = [:], body: ByteBuffer? = nil) {
        var headers = before
        // None of what stands before is of that name, so that it need not be looked for.
        if body != nil { headers.append(Self.jsonType) }
        headers.append(contentsOf: after)
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// An answer whose JSON, of so many items, is written on the spot.
    init(
        status: HTTPResponse.Status = .ok, before: HTTPFields = [:], after: HTTPFields = [:], items: Int = 1,
        _ write: (inout JSONWriter) -> Void
    ) {
        self.init(status: status, before: before, after: after, body: ByteBuffer(json: Representation.bytes(items: items), write))
    }

    /// An answer with a page of a list.
    /// - Parameters:
    ///   - count: rows of the page.
    ///   - next: the cursor of the page that follows and the target that leads to it, below the base URL; nil where this is the last.
    ///   - rows: writes the rows, one after another.
    init(page count: Int, next: (cursor: String, target: String)?, base: String, _ rows: (inout JSONWriter) -> Void) {
        self.init(before: next.map { [.pageLink: "<\(base)\($0.target)>; rel=\"next\""] } ?? [:], items: count) { writer in
            writer.object { writer in
                writer.name("data")
                writer.array(rows)
                writer.member("has_more", next != nil)
                writer.member("next_cursor", next?.cursor)
            }
        }
    }

    /// The answer as a response.
    var response: Response {
        Response(status: status, headers: headers, body: body.map { ResponseBody(byteBuffer: $0) } ?? ResponseBody())
    }
}

extension ByteBuffer {
    /// The JSON that `write` writes, which is called once more where it does not fit into the bytes that are expected.
    init(json bytesExpected: Int, _ write: (inout JSONWriter) -> Void) {
        self.init()
        var bytesNeeded = bytesExpected
        var isWhole = false
        while !isWhole {
            writeWithUnsafeMutableBytes(minimumWritableBytes: bytesNeeded) { room in
                bytesNeeded = JSONWriter.write(into: room, write)
                isWhole = bytesNeeded <= room.count
                return isWhole ? bytesNeeded : 0
            }
        }
    }
}

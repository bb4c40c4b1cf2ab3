import JSONText
import Personas

/// A field of a form that stands for a member of a JSON object.
struct FormField {
    /// Bytes of a field at most: more than any rule lets one have, written in escapes throughout.
    static let bytesMax = 131_072

    /// What a field is read as.
    enum Kind {
        /// The text itself.
        case text
        /// The JSON of an object.
        case object
    }

    private let kind: Kind
    private var bytes: [UInt8] = []
    private var isTooLong = false
    /// How often the field has come.
    private var count = 1

    init(_ kind: Kind) {
        self.kind = kind
    }

    /// Takes more of the field's content, and lets go of all of it once it is too long.
    mutating func take(_ content: UnsafeRawBufferPointer, holding memory: MemoryReservation) throws(Failure) {
        guard count == 1, !isTooLong else { return }
        guard bytes.count + content.count <= Self.bytesMax else {
            memory.shrink(by: bytes.count)
            (bytes, isTooLong) = ([], true)
            return
        }
        try memory.grow(by: content.count)
        bytes.append(contentsOf: content)
    }

    /// Bytes that are kept of it.
    var byteCount: Int { bytes.count }

    /// The field has come once more.
    mutating func repeatField() { count += 1 }

    /// The value as it would stand in a JSON object.
    var json: JSONField<[UInt8]> {
        guard count == 1 else { return .malformed("must be given only once") }
        guard !isTooLong else { return .malformed("must be at most \(Self.bytesMax) bytes long") }
        switch kind {
        case .text:
            guard let text = String(validating: bytes, as: UTF8.self) else { return .malformed("must be UTF-8") }
            var json = [UInt8(ascii: "\"")]
            json.append(json: text, .answers)
            return .value(json + [UInt8(ascii: "\"")])
        case .object:
            // Within an object of its own nothing can reach beyond it into that of the form.
            let alone = try? JSONObject(Array(#"{"":"#.utf8) + bytes + [UInt8(ascii: "}")])
            return alone?.holdsOnlyObject("") == true ? .value(bytes) : .malformed("must be a JSON object")
        }
    }
}

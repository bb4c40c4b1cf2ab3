package import Personas

/// A create that is sent as a form: its fields by the names that they have in JSON, and three files named `image`.
///
/// What it holds counts while it arrives. Nothing is kept of fields that mean nothing, of a file beyond the bytes that an image may have, and of any
/// file once there are too many: all of it is still read, so that everything that is wrong can be told at once.
package struct CreateForm: MultipartReceiver {
    /// The fields that a form shares with JSON. What is made of them is the business of what reads a JSON object.
    private static let fieldKinds: [(name: String, kind: FormField.Kind)] = [
        ("name", .text), ("special_instructions", .text), ("external_id", .text), ("metadata", .object),
    ]
    /// What the files are called.
    private static let fileName = "image"

    /// What becomes of the part that is arriving.
    private enum Part {
        /// It goes into the field of this number.
        case field(Int)
        /// It is an image as far as it has come.
        case file([UInt8])
        /// It is a file that is too large.
        case oversizedFile
        /// Nothing.
        case ignored
    }

    private let memory: MemoryReservation
    /// Bytes that the whole body may have.
    private let bodyBytesMax: Int
    private var part = Part.ignored
    private var fields: [(name: String, field: FormField)] = []
    private var files: [ImageSource] = []

    /// - Parameters:
    ///   - memory: what holds the form.
    ///   - bodyBytesMax: bytes that its whole body has at most, which no image in it can exceed.
    package init(holding memory: MemoryReservation, bodyBytesMax: Int) {
        self.memory = memory
        self.bodyBytesMax = bodyBytesMax
    }

    /// A part begins.
    package mutating func begin(_ part: MultipartPart) throws(Failure) {
        if part.name.elementsEqual(Self.fileName.utf8) {
            self.part = files.count < Limits.referenceImages ? .file([]) : .ignored
            if files.count >= Limits.referenceImages { letGoOfFiles() }
        } else if let number = fields.firstIndex(where: { part.name.elementsEqual($0.name.utf8) }) {
            fields[number].field.repeatField()
            self.part = .ignored
        } else if let (name, kind) = Self.fieldKinds.first(where: { part.name.elementsEqual($0.name.utf8) }) {
            self.part = .field(fields.count)
            fields.append((name, FormField(kind)))
        } else {
            self.part = .ignored
        }
    }

    /// More of the part's content.
    package mutating func take(_ content: UnsafeRawBufferPointer) throws(Failure) {
        switch part {
        case .field(let number): try fields[number].field.take(content, holding: memory)
        case .file(var bytes):
            // Otherwise there are two that hold it, and it is copied.
            part = .ignored
            guard bytes.count + content.count <= Limits.imageBytesMax else {
                memory.shrink(by: bytes.count)
                part = .oversizedFile
                return
            }
            try memory.grow(by: content.count)
            bytes.makeRoom(for: content.count, ofAtMost: min(Limits.imageBytesMax, bodyBytesMax))
            bytes.append(contentsOf: content)
            part = .file(bytes)
        case .oversizedFile, .ignored: break
        }
    }

    /// The part is whole.
    package mutating func end() throws(Failure) {
        switch part {
        case .file(let bytes): files.append(.file(ImageFile(bytes)))
        case .oversizedFile: files.append(.oversizedFile)
        case .field, .ignored: break
        }
        part = .ignored
    }

    /// Bytes that the fields have together, which are what `draft` looks at.
    package var fieldBytes: Int { fields.reduce(0) { $0 + $1.field.byteCount } }

    /// What is asked to be created.
    /// - Throws: `invalid` with the field `body` where the fields are more than a JSON object may hold.
    package func draft() throws(Failure) -> CreateDraft { CreateDraft(details: DetailsDraft(try members()), imageFiles: files) }

    /// The fields, to be read as the members of a JSON object.
    /// - Throws: `invalid` with the field `body` where the fields are more than a JSON object may hold.
    package func members() throws(Failure) -> JSONObject { try JSONObject(fields) }

    /// There are too many files, of which none will be looked at. They stay as many as they are.
    private mutating func letGoOfFiles() {
        for case .file(let file) in files { memory.shrink(by: file.byteCount) }
        files = Array(repeating: .oversizedFile, count: files.count + 1)
    }
}

extension [UInt8] {
    /// Makes room for further bytes, in proportion to those that are there.
    ///
    /// An image that is moved into a larger room is there twice for a moment. So the room for the largest is made once a sixteenth of that has come,
    /// when little has to be moved; what is not written to yet takes no memory of the machine.
    fileprivate mutating func makeRoom(for added: Int, ofAtMost bytesMax: Int) {
        let count = count + added
        guard count > capacity else { return }
        reserveCapacity(bytesMax / 16 <= count ? Swift.max(bytesMax, count) : 2 * count)
    }
}

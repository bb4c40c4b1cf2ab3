/// A `multipart/form-data` body, as browsers and curl write it.
package struct MultipartForm: Sendable {
    /// What stands between its parts.
    package let boundary: String
    private var parts: [UInt8] = []

    /// An empty form.
    package init(boundary: String = "----WebKitFormBoundary7MA4YWxkTrZu0gW") {
        self.boundary = boundary
    }

    /// A form with fields and files named `image`.
    package init(_ fields: [(name: String, value: String)], images: [[UInt8]], boundary: String? = nil) {
        self.init(boundary: boundary ?? "----WebKitFormBoundary7MA4YWxkTrZu0gW")
        for field in fields { add(field.name, field.value) }
        for (index, image) in images.enumerated() { addFile("image", "picture-\(index).jpg", image) }
    }

    /// The header that belongs to it.
    package var contentType: String { "multipart/form-data; boundary=\(boundary)" }

    /// The whole body.
    package var bytes: [UInt8] { parts + Array("--\(boundary)--\r\n".utf8) }

    /// Adds a field.
    package mutating func add(_ name: String, _ value: String) { add("name=\"\(name)\"", content: Array(value.utf8)) }

    /// Adds a file.
    package mutating func addFile(_ name: String, _ fileName: String, _ content: [UInt8]) {
        add("name=\"\(name)\"; filename=\"\(fileName)\"", header: "Content-Type: image/jpeg\r\n", content: content)
    }

    /// Adds a part.
    /// - Parameters:
    ///   - parameters: what stands behind `form-data;`.
    ///   - header: further lines, each with its end.
    package mutating func add(_ parameters: String, header: String = "", content: [UInt8]) {
        parts +=
            Array("--\(boundary)\r\nContent-Disposition: form-data; \(parameters)\r\n\(header)\r\n".utf8) + content + Array("\r\n".utf8)
    }
}

/// Where in a request an image stands, so that an error can name it.
package struct ImagePosition: Sendable, Equatable, Codable {
    /// What holds the image.
    package let field: InputField
    /// The place among several, from 0; nil where the field is the image itself.
    package let index: Int?

    /// Names a field and a place in it.
    package init(field: InputField, index: Int? = nil) {
        self.field = field
        self.index = index
    }

    /// The position as a client would write it: `image_urls[1]`.
    /// - Parameter name: what the adapter that says it calls a field.
    package func text(naming name: (InputField) -> String) -> String {
        index.map { "\(name(field))[\($0)]" } ?? name(field)
    }
}

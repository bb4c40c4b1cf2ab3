import TestImages

/// The body of a request.
struct TestBody: Sendable, ExpressibleByStringInterpolation {
    let bytes: [UInt8]

    init(stringLiteral text: String) { bytes = Array(text.utf8) }

    init(_ text: String) { bytes = Array(text.utf8) }

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// A create with three small images as bare base64.
    static func create(_ name: String) -> TestBody { TestBody(#"{"name":"\#(name)","image_base64s":\#(Picture.base64List)}"#) }
}

extension Picture {
    /// A JSON array of three images as bare base64.
    static let base64List = list((1...3).map { base64(png(seed: $0)) })

    /// A JSON array of texts that need no escaping.
    static func list(_ texts: [String]) -> String { "[" + texts.map { "\"\($0)\"" }.joined(separator: ",") + "]" }

    /// A PNG with a text that the service takes out.
    static func pngWithMetadata(seed: Int) -> [UInt8] {
        let plain = png(seed: seed)
        return plain[..<PNG.headerEnd] + PNG.chunk("tEXt", Array("Comment\0CANARY".utf8)) + plain[PNG.headerEnd...]
    }
}

import Foundation
import TestSupport

/// JSON bodies of one thing many times over, each the most costly of its kind that is known.
enum RepetitiveJSON {
    /// A body of about `byteCount` bytes, and what it is full of.
    typealias Body = (name: String, bytes: [UInt8])

    /// Every body.
    static func all(byteCount: Int) -> [Body] {
        let texts: [(String, String)] = [
            ("letters", "a"), ("spaces", " "), ("white space of three bytes", "\u{2003}"), ("letters and spaces in turn", "a "),
            (#"\u0061"#, #"\u0061"#), (#"\u2003"#, #"\u2003"#), ("escaped surrogates", #"\ud83d\ude00"#), (#"\n"#, #"\n"#),
            ("combining marks", "\u{301}"), ("emoji", "😀"), ("letters of one and two bytes in turn", "aé"),
        ]
        let members: [(String, (String) -> String)] = [
            ("name", { #"{"name":"\#($0)"}"# }), ("address", { #"{"name":"N","image_urls":["https://\#($0)","",""]}"# }),
            ("instructions", { #"{"name":"N","special_instructions":"\#($0)"}"# }), ("member's name", { #"{"\#($0)":1}"# }),
            ("image", { #"{"name":"N","image_base64s":["\#($0)","",""]}"# }),
        ]
        return members.flatMap { member, body in
            texts.map { text, piece in ("\(member) of \(text)", Array(body(repeated(piece, byteCount)).utf8)) }
        } + shapes(byteCount)
    }

    private static func shapes(_ byteCount: Int) -> [Body] {
        let long = repeated("a", byteCount / 4_000)
        let escaped = repeated(#"\u0061"#, byteCount / 4_000)
        func object(_ count: Int, _ member: (Int) -> String) -> String { "{" + (0..<count).map(member).joined(separator: ",") + "}" }
        let texts: [(String, String)] = [
            ("digits", #"{"name":\#(repeated("1", byteCount))}"#), ("blanks", "{" + repeated(" ", byteCount) + "}"),
            ("members of the same beginning", object(4_000) { #""\#(long)\#($0)":1"# }),
            ("members of escaped names", object(4_000) { #""\#(escaped)\#($0)":1"# }),
            ("members within a member", #"{"x":\#(object(4_000) { #""\#(long)\#($0)":1"# })}"#),
            ("strings of an array", #"{"image_urls":["# + (0..<4_000).map { _ in "\"\(long)\"" }.joined(separator: ",") + "]}"),
            ("line breaks in an image", #"{"name":"N","image_base64s":["\#(repeated(#"A\n"#, byteCount))","",""]}"#),
            ("a data URL without an end", #"{"name":"N","image_base64s":["data:\#(repeated("a", byteCount))","",""]}"#),
        ]
        return texts.map { ($0, Array($1.utf8)) }
    }

    /// About as many values as a body may hold, in the fewest bytes.
    static let small: [Body] = [
        ("4,000 members", Array(("{" + (0..<4_000).map { #""\#($0)":1"# }.joined(separator: ",") + "}").utf8)),
        ("4,000 empty objects", Array((#"{"x":["# + repeated("{},", 12_000).dropLast() + "]}").utf8)),
        ("4,000 empty strings", Array((#"{"image_urls":["# + repeated(#""","#, 12_000).dropLast() + "]}").utf8)),
    ]

    private static func repeated(_ piece: String, _ byteCount: Int) -> String {
        String(repeating: piece, count: max(1, byteCount / piece.utf8.count))
    }
}

import Crypto
import Foundation
import Personas

/// Where the next page begins, as an opaque text. It is bound to the list's filters and order, and grants nothing: every page is cut from the
/// caller's own items whatever the cursor says.
struct Cursor {
    private static let version: UInt8 = 1
    private static let bindingBytes = 8

    let position: PikzonalityPosition

    init(position: PikzonalityPosition) {
        self.position = position
    }

    /// Reads a cursor.
    /// - Returns: nil for anything that `text` did not make for the same filters and order.
    init?(text: String, filter: PikzonalityFilter, sort: PikzonalitySort) {
        let padded = text.replacing("-", with: "+").replacing("_", with: "/") + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        guard let bytes = Data(base64Encoded: padded).map({ [UInt8]($0) }), bytes.count >= 33, bytes[0] == Self.version,
            bytes[1...8].elementsEqual(Self.binding(filter, sort)),
            let id = bytes[9..<25].withUnsafeBytes({ Identifier(bytes: $0) }),
            let nameKey = String(validating: bytes[33...], as: UTF8.self)
        else { return nil }
        let milliseconds = bytes[25..<33].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        position = PikzonalityPosition(nameKey: nameKey, createdAt: Timestamp(milliseconds: Int64(bitPattern: milliseconds)), id: id)
        // One text per position: anything else that decodes to it, such as stray bits at the end, is garbage.
        guard self.text(filter: filter, sort: sort) == text else { return nil }
    }

    /// The text for a client.
    func text(filter: PikzonalityFilter, sort: PikzonalitySort) -> String {
        var bytes = [Self.version] + Self.binding(filter, sort) + position.id.bytes
        withUnsafeBytes(of: position.createdAt.milliseconds.bigEndian) { bytes.append(contentsOf: $0) }
        if sort.isByName { bytes.append(contentsOf: position.nameKey.utf8) }
        return Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    private static func binding(_ filter: PikzonalityFilter, _ sort: PikzonalitySort) -> [UInt8] {
        let text = [filter.mode?.rawValue ?? "", filter.status?.rawValue ?? "", sort.rawValue, filter.search ?? ""].joined(separator: "\n")
        return Array(SHA256.hash(data: Data(text.utf8)).prefix(bindingBytes))
    }
}

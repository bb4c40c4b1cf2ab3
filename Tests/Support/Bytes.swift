/// Four bytes, most significant first.
package func bigEndian(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }

/// Four bytes, least significant first.
package func littleEndian(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }

/// Bytes again and again, up to a length that they are not over.
package func repeated(_ piece: [UInt8], bytes count: Int) -> [UInt8] {
    let whole = max(0, count / piece.count * piece.count)
    var bytes = piece
    bytes.reserveCapacity(whole)
    while bytes.count < whole { bytes += bytes.prefix(whole - bytes.count) }
    return Array(bytes.prefix(whole))
}

/// A text again and again, up to a length that it is not over.
package func repeated(_ text: String, bytes count: Int) -> [UInt8] { repeated(Array(text.utf8), bytes: count) }

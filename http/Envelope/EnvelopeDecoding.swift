import Foundation

extension ErrorEnvelope {
    /// Reads an envelope that came from a server.
    ///
    /// Unknown codes and members are kept out of the way (see ``ErrorBody/codeText``). The bytes are checked before Foundation sees them,
    /// because its decoder can be made to stop the process by an input of a few hundred bytes, and to take many times their size in
    /// memory by longer ones.
    /// - Parameters:
    ///   - bytes: The body of the answer.
    ///   - bytesMax: The largest body that is looked at, in bytes.
    /// - Throws: ``ErrorEnvelopeDecodingError``.
    public init(decoding bytes: [UInt8], bytesMax: Int = 65_536) throws(ErrorEnvelopeDecodingError) {
        guard bytes.count <= bytesMax else { throw .tooLarge(bytesMax: bytesMax) }
        // Without this, UTF-16 (which Foundation accepts) would hide its brackets from the scan below.
        guard !bytes.contains(0) else { throw .notAnEnvelope }
        guard Self.nestingDepth(of: bytes) <= Self.nestingDepthMax else { throw .tooDeeplyNested }
        do {
            self = try JSONDecoder().decode(ErrorEnvelope.self, from: Data(bytes))
        } catch {
            throw .notAnEnvelope
        }
    }

    /// The deepest nesting that is passed on to Foundation; an envelope needs three levels.
    private static let nestingDepthMax = 32

    private static func nestingDepth(of json: [UInt8]) -> Int {
        var depth = 0
        var deepest = 0
        var isInString = false
        var isEscaped = false
        for byte in json {
            if isEscaped {
                isEscaped = false
            } else if isInString {
                isEscaped = byte == UInt8(ascii: "\\")
                isInString = byte != UInt8(ascii: "\"")
            } else if byte == UInt8(ascii: "\"") {
                isInString = true
            } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                depth += 1
                deepest = max(deepest, depth)
            } else if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") {
                depth = max(0, depth - 1)
            }
        }
        return deepest
    }
}

/// Why a body could not be read as an ``ErrorEnvelope``.
public enum ErrorEnvelopeDecodingError: Error, Equatable {
    /// The body is larger than was allowed, in bytes.
    case tooLarge(bytesMax: Int)
    /// The body nests arrays and objects deeper than an envelope ever does.
    case tooDeeplyNested
    /// The body is no JSON, or not of this shape: it comes from something else, such as a proxy.
    case notAnEnvelope
}

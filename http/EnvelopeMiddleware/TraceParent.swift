public import HTTPTypes

/// Which trace a request belongs to, as its caller says in the header `traceparent` (W3C Trace Context, level 2).
///
/// Only the two ids are kept, and only if the whole header is valid, so that nothing else of it can reach a log.
public struct TraceParent: Sendable, Equatable {
    /// The id of the trace, 32 hexadecimal digits in lower case, not all zero.
    public let traceID: String
    /// The id of the caller's span, 16 hexadecimal digits in lower case, not all zero.
    public let parentID: String

    /// The bytes of a header of version 00, and the least that one of a later version has.
    private static let bytesMin = 55

    /// Reads the header of a request; nil where it is absent, invalid, or there more than once.
    public init?(_ fields: HTTPFields) {
        // A walk over the few fields costs less than the index that a look-up by name may have to build.
        var found: String?
        for field in fields where field.name.canonicalName.utf8.count == 11 && field.name == .traceParent {
            guard found == nil else { return nil }
            found = field.value
        }
        guard let found else { return nil }
        self.init(found)
    }

    /// Reads the value of the header; nil where it is invalid.
    public init?(_ text: String) {
        let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        var bytes = Array(text.utf8.drop(while: isBlank))
        while let last = bytes.last, isBlank(last) { bytes.removeLast() }
        guard bytes.count >= Self.bytesMin, [2, 35, 52].allSatisfy({ bytes[$0] == UInt8(ascii: "-") }) else { return nil }
        let (version, trace, parent, flags) = (bytes[0..<2], bytes[3..<35], bytes[36..<52], bytes[53..<55])
        for part in [version, trace, parent, flags] where !part.allSatisfy(Self.isHexadecimal) { return nil }
        for id in [trace, parent] where id.allSatisfy({ $0 == UInt8(ascii: "0") }) { return nil }
        guard !version.elementsEqual("ff".utf8) else { return nil }
        if bytes.count > Self.bytesMin {
            // Later versions may go on, behind another hyphen.
            guard !version.elementsEqual("00".utf8), bytes[Self.bytesMin] == UInt8(ascii: "-") else { return nil }
        }
        traceID = String(decoding: trace, as: UTF8.self)
        parentID = String(decoding: parent, as: UTF8.self)
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
        default: false
        }
    }
}

extension HTTPField.Name {
    /// `traceparent`: which trace a request belongs to.
    static let traceParent: HTTPField.Name = {
        guard let name = HTTPField.Name("traceparent") else { preconditionFailure("traceparent is a well-formed header name") }
        return name
    }()
}

import Foundation
package import Personas

/// What takes the parts of a form as they arrive.
package protocol MultipartReceiver {
    /// A part begins.
    mutating func begin(_ part: MultipartPart) throws(Failure)
    /// More of the part's content, in pieces of any length. They are valid until this returns.
    mutating func take(_ content: UnsafeRawBufferPointer) throws(Failure)
    /// The part is whole.
    mutating func end() throws(Failure)
}

/// Takes a form apart while it arrives (RFC 7578, RFC 2046): a strict pass over the bytes, linear in their number, which keeps none of them but
/// one part's header.
///
/// Lines end with CRLF, and a part's header must not be folded. What stands before the first boundary and behind the last is passed over.
package struct MultipartParser {
    /// Parts of a form at most. A create has seven; clients' extra ones may bring some more.
    package static let partsMax = 64
    /// Blanks behind a boundary at most.
    private static let paddingBytesMax = 64

    private enum State {
        /// Before the first boundary.
        case preamble
        /// Behind a boundary, of whose line this has been seen.
        case boundary
        /// In the header of a part.
        case header
        /// In the content of a part.
        case content
        /// Behind the closing boundary.
        case epilogue
    }

    private var state = State.preamble
    /// What ends a part, from its end of line to the last character of the boundary. No byte of it but the first is a CR.
    private let delimiter: [UInt8]
    /// How much of the delimiter stood at the end of what has come so far. The body begins as though behind an end of line.
    private var matched = 2
    /// What has come of a line behind a boundary, or of a header.
    private var kept: [UInt8] = []
    private var partCount = 0

    /// Begins with the first byte of a body.
    package init(boundary: MultipartBoundary) {
        delimiter = Array("\r\n--".utf8) + boundary.characters
    }

    /// Takes the next bytes of the body, as many as have come.
    /// - Throws: `invalid` with the field `body`, or what the receiver throws.
    package mutating func take(_ bytes: UnsafeRawBufferPointer, into receiver: inout some MultipartReceiver) throws(Failure) {
        var index = 0
        while index < bytes.count {
            switch state {
            case .preamble: index = try passContent(of: bytes, from: index, into: &receiver)
            case .content: index = try passContent(of: bytes, from: index, into: &receiver)
            case .boundary:
                try takeBehindBoundary(bytes[index])
                index += 1
            case .header:
                try takeOfHeader(bytes[index], into: &receiver)
                index += 1
            case .epilogue: return
            }
        }
    }

    /// Ends with the last byte of the body.
    /// - Throws: `invalid` with the field `body` where something is missing.
    package func finish() throws(Failure) {
        switch state {
        case .epilogue: return
        case .preamble: throw Failure(.withoutBoundary)
        case .boundary, .header, .content: throw Failure(.cut)
        }
    }

    /// Goes on to behind the next delimiter, or to the end of the bytes. Returns where that is.
    private mutating func passContent(
        of bytes: UnsafeRawBufferPointer, from start: Int, into receiver: inout some MultipartReceiver
    ) throws(Failure) -> Int {
        var index = start
        if matched > 0 {
            let count = delimiterBytes(in: bytes, at: index, behind: matched)
            matched += count
            index += count
            if matched == delimiter.count { return try endContent(at: index, into: &receiver) }
            if index == bytes.count { return index }
            // What looked like a delimiter is content, and none begins within it.
            let content = delimiter[..<matched]
            matched = 0
            try content.withUnsafeBufferPointer { (buffer) throws(Failure) in try put(UnsafeRawBufferPointer(buffer), into: &receiver) }
        }
        let contentStart = index
        while let candidate = firstReturn(in: bytes, from: index) {
            matched = delimiterBytes(in: bytes, at: candidate, behind: 0)
            index = candidate + matched
            guard matched == delimiter.count || index == bytes.count else { continue }
            try put(UnsafeRawBufferPointer(rebasing: bytes[contentStart..<candidate]), into: &receiver)
            return matched == delimiter.count ? try endContent(at: index, into: &receiver) : index
        }
        matched = 0
        try put(UnsafeRawBufferPointer(rebasing: bytes[contentStart...]), into: &receiver)
        return bytes.count
    }

    /// How many bytes are those of the delimiter behind so many of it.
    private func delimiterBytes(in bytes: UnsafeRawBufferPointer, at index: Int, behind matched: Int) -> Int {
        let countMax = min(delimiter.count - matched, bytes.count - index)
        var count = 0
        while count < countMax, bytes[index + count] == delimiter[matched + count] { count += 1 }
        return count
    }

    /// Found by the C library, which looks at many bytes at once.
    private func firstReturn(in bytes: UnsafeRawBufferPointer, from index: Int) -> Int? {
        guard let address = bytes.baseAddress, index < bytes.count else { return nil }
        return memchr(address + index, CInt(UInt8(ascii: "\r")), bytes.count - index).map { UnsafeRawPointer($0) - address }
    }

    private func put(_ content: UnsafeRawBufferPointer, into receiver: inout some MultipartReceiver) throws(Failure) {
        if case .content = state, !content.isEmpty { try receiver.take(content) }
    }

    private mutating func endContent(at index: Int, into receiver: inout some MultipartReceiver) throws(Failure) -> Int {
        if case .content = state { try receiver.end() }
        matched = 0
        state = .boundary
        kept = []
        return index
    }

    /// Behind a boundary there are two hyphens, with which the form ends, or blanks and the end of the line.
    private mutating func takeBehindBoundary(_ byte: UInt8) throws(Failure) {
        kept.append(byte)
        if kept == Array("--".utf8) {
            state = .epilogue
        } else if kept.last == UInt8(ascii: "\n"), kept.dropLast().last == UInt8(ascii: "\r") {
            partCount += 1
            guard partCount <= Self.partsMax else { throw Failure(.tooManyParts) }
            state = .header
            kept = []
        } else {
            let rest = kept.drop { $0 == 0x20 || $0 == 0x09 }
            let mayGoOn = rest.isEmpty || rest.elementsEqual("\r".utf8) || kept.elementsEqual("-".utf8)
            guard mayGoOn, kept.count <= Self.paddingBytesMax else { throw Failure(.malformedBoundary) }
        }
    }

    /// The header ends with an empty line, which is the first where there is none.
    private mutating func takeOfHeader(_ byte: UInt8, into receiver: inout some MultipartReceiver) throws(Failure) {
        kept.append(byte)
        guard kept.count <= MultipartPart.headerBytesMax else { throw Failure(.headerTooLong) }
        guard kept.elementsEqual("\r\n".utf8) || kept.suffix(4).elementsEqual("\r\n\r\n".utf8) else { return }
        let part: MultipartPart
        do {
            part = try MultipartPart(header: kept.dropLast(2))
        } catch {
            throw Failure(error)
        }
        try receiver.begin(part)
        state = .content
        kept = []
    }
}

extension Failure {
    /// What a client is told of a form that cannot be read.
    fileprivate init(_ problem: MultipartProblem) {
        self = .invalid([Violation(field: "body", message: "the body \(problem.reason)")])
    }
}

import Foundation
import Personas
import PersonasWire
import TestImages
import TestSupport

/// What the worst bodies and the worst images cost, in processor time for each of their bytes, measured in this process.
struct BodyMeasurements {
    private static let bodyBytes = 32_000_000
    private static let imageBytes = 10_000_000
    /// Three images of nearly the largest size.
    private static let formBytes = 30_000_000
    /// Bytes of a body that a connection hands on at once.
    private static let pieceBytes = 65_536
    private static let nanosecondsPerByteMax = 15.0

    let rounds: Int

    func run(_ report: inout Report) {
        for body in RepetitiveJSON.all(byteCount: Self.bodyBytes) { measure(body.name, body.bytes, &report, Self.takeIn) }
        for body in RepetitiveJSON.small { measure(body.name, body.bytes, &report, isShort: true, Self.takeIn) }
        for form in RepetitiveForms.all(byteCount: Self.formBytes) { measure(form.name, form.bytes, &report, Self.takeInForm) }
        for image in WorstImages.all(byteCount: Self.imageBytes) {
            measure(image.name, image.bytes, &report) { Self.sanitize($0, removingMetadata: true) }
            measure("", image.bytes, &report, detail: "metadata stays") { Self.sanitize($0, removingMetadata: false) }
        }
        measureBase64(&report)
    }

    private func measureBase64(_ report: inout Report) {
        let data = Data(repeating: 0x5A, count: Self.imageBytes)
        let wrapping: Data.Base64EncodingOptions = [.lineLength64Characters, .endLineWithCarriageReturn, .endLineWithLineFeed]
        for (name, base64) in [("base64", data.base64EncodedData()), ("base64 in lines", data.base64EncodedData(options: wrapping))] {
            measure(name, Array(base64), &report) { bytes in
                _ = try? ReferenceImage.decode(base64: bytes[...], at: ImagePosition(field: .portrait))
            }
        }
    }

    /// What the service does with the body of a create, up to its images, and with that of a request under an idempotency key.
    private static func takeIn(_ bytes: [UInt8]) {
        guard let body = try? JSONObject(bytes) else { return }
        let draft = CreateDraft(
            details: DetailsDraft(body), imageURLs: body.strings("image_urls"), imageBase64s: body.texts("image_base64s"))
        if let checked = try? draft.checked(acceptingPlainHTTP: false), case .base64(let text) = checked.images.sources.first {
            _ = try? ReferenceImage.decode(base64: text.take(), at: ImagePosition(field: checked.images.field, index: 0))
        }
        _ = body.integer("name")
        var byteCount = 0
        body.canonicalPieces { byteCount += $0.count }
    }

    /// What the service does with a form while it arrives, up to its images.
    private static func takeInForm(_ bytes: [UInt8]) {
        guard let boundary = MultipartBoundary(Array(RepetitiveForms.boundary.utf8)) else { return }
        var parser = MultipartParser(boundary: boundary)
        var form = CreateForm(holding: .unlimited(), bodyBytesMax: bytes.count)
        bytes.withUnsafeBytes { body in
            for start in stride(from: 0, to: body.count, by: pieceBytes) {
                let piece = UnsafeRawBufferPointer(rebasing: body[start..<min(start + pieceBytes, body.count)])
                try? parser.take(piece, into: &form)
            }
        }
        _ = try? form.draft().checked(acceptingPlainHTTP: false)
    }

    private static func sanitize(_ bytes: [UInt8], removingMetadata: Bool) {
        _ = try? ImageSanitizer.sanitize(bytes, removingMetadata: removingMetadata)
    }

    private func measure(
        _ name: String, _ bytes: [UInt8], _ report: inout Report, detail: String? = nil, isShort: Bool = false, _ work: ([UInt8]) -> Void
    ) {
        let repetitions = isShort ? 100 : 1
        let nanoseconds = (0..<rounds).map { _ in
            let start = Self.processorNanoseconds
            for _ in 0..<repetitions { work(bytes) }
            return Double(Self.processorNanoseconds - start) / Double(repetitions * bytes.count)
        }
        // A short body shows what one value costs. The number of values is bounded, so that its bytes need not justify it.
        report.add(
            name, detail ?? "\(Report.number(Double(bytes.count) / 1_000_000)) MB", value: nanoseconds.median, unit: " ns a byte",
            target: isShort ? nil : .below(Self.nanosecondsPerByteMax))
    }

    /// Processor time of this thread.
    private static var processorNanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

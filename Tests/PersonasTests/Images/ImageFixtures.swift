import Personas
import TestImages
import Testing

/// A small image of `SampleImages`, in which every piece of metadata contains the text "CANARY",
/// and every GPS block the date 2024:05:06.
struct ImageFixture: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let format: ImageFormat
    let width: Int
    let height: Int
    /// The EXIF orientation, if it is one that turns or mirrors the picture.
    let orientation: UInt8?
    /// Whether there is metadata that has to be gone from what is stored.
    let hasMetadata: Bool
    let bytes: [UInt8]

    init(
        _ testDescription: String,
        _ format: ImageFormat,
        width: Int = 20,
        height: Int = 12,
        orientation: UInt8? = nil,
        hasMetadata: Bool = false,
        file: String
    ) {
        self.testDescription = testDescription
        self.format = format
        self.width = width
        self.height = height
        self.orientation = orientation
        self.hasMetadata = hasMetadata
        bytes = SampleImages.bytes(file)
    }
}

extension ImageFixture {
    /// Every fixture of every format.
    static let all: [ImageFixture] = [
        .jpegPlain, .jpegMetadata, .jpegProgressive, .jpegGreyRestarts, .jpegCMYK, .jpegUpright, .jpegThumbnails,
        .pngPlain, .pngMetadata, .pngPalette, .pngOneBit, .pngGreyAlpha, .pngAnimated, .pngInterlaced,
        .webpLossy, .webpLossless, .webpAlpha, .webpMetadata, .webpMetadataLossless, .webpAnimated, .webpUnknownChunks,
        .gifPlain, .gifAnimated, .gifExtensions,
    ]
}

extension ImageFixture {
    static let jpegPlain = ImageFixture("a baseline JPEG", .jpeg, file: "jpeg-plain.jpg")
    static let jpegMetadata = ImageFixture(
        "a JPEG with EXIF, GPS, XMP, a comment and a colour profile", .jpeg, orientation: 6, hasMetadata: true, file: "jpeg-metadata.jpg")
    static let jpegProgressive = ImageFixture(
        "a progressive JPEG with EXIF and GPS", .jpeg, orientation: 8, hasMetadata: true, file: "jpeg-progressive.jpg")
    static let jpegGreyRestarts = ImageFixture("a grey JPEG with restart markers", .jpeg, file: "jpeg-grey-restarts.jpg")
    static let jpegCMYK = ImageFixture("a CMYK JPEG with an Adobe segment", .jpeg, file: "jpeg-cmyk.jpg")
    static let jpegUpright = ImageFixture("a JPEG whose EXIF says it is upright", .jpeg, hasMetadata: true, file: "jpeg-upright.jpg")
    static let jpegThumbnails = ImageFixture(
        "a JPEG with thumbnails, IPTC, an MPF index and fill bytes", .jpeg, hasMetadata: true, file: "jpeg-thumbnails.jpg")
}

extension ImageFixture {
    static let pngPlain = ImageFixture("a true-colour PNG", .png, file: "png-plain.png")
    static let pngMetadata = ImageFixture(
        "a PNG with EXIF, GPS, XMP, texts, a time, a private chunk and a colour profile", .png, orientation: 3, hasMetadata: true,
        file: "png-metadata.png")
    static let pngPalette = ImageFixture("a PNG with a palette and transparency", .png, file: "png-palette.png")
    static let pngOneBit = ImageFixture("a PNG of one bit a pixel", .png, file: "png-one-bit.png")
    static let pngGreyAlpha = ImageFixture("a grey PNG with alpha", .png, file: "png-grey-alpha.png")
    static let pngAnimated = ImageFixture("an animated PNG with texts", .png, hasMetadata: true, file: "png-animated.png")
    static let pngInterlaced = ImageFixture(
        "an interlaced PNG whose compression header lies in two chunks", .png, width: 2, height: 2, file: "png-interlaced.png")
}

extension ImageFixture {
    static let webpLossy = ImageFixture("a lossy WebP", .webp, file: "webp-lossy.webp")
    static let webpLossless = ImageFixture("a lossless WebP", .webp, file: "webp-lossless.webp")
    static let webpAlpha = ImageFixture("an extended WebP with alpha", .webp, file: "webp-alpha.webp")
    static let webpMetadata = ImageFixture(
        "a WebP with XMP, a colour profile and an EXIF chunk that begins as in a JPEG", .webp, orientation: 5, hasMetadata: true,
        file: "webp-metadata.webp")
    static let webpMetadataLossless = ImageFixture(
        "a lossless WebP with XMP and EXIF", .webp, orientation: 7, hasMetadata: true, file: "webp-metadata-lossless.webp")
    static let webpAnimated = ImageFixture(
        "an animated WebP with EXIF and GPS", .webp, orientation: 2, hasMetadata: true, file: "webp-animated.webp")
    static let webpUnknownChunks = ImageFixture(
        "an animated WebP with unknown chunks in the file and in its frames", .webp, orientation: 2, hasMetadata: true,
        file: "webp-unknown-chunks.webp")
}

extension ImageFixture {
    static let gifPlain = ImageFixture("a GIF", .gif, file: "gif-plain.gif")
    static let gifAnimated = ImageFixture("an animated GIF with a comment", .gif, hasMetadata: true, file: "gif-animated.gif")
    static let gifExtensions = ImageFixture(
        "an animated GIF with XMP, drawn text, an unknown extension and a stray terminator", .gif, hasMetadata: true,
        file: "gif-extensions.gif")
}

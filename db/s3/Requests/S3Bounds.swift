/// How long, how often and how much: the bounds of all that the object store is asked for.
package struct S3Bounds: Sendable {
    /// Seconds that a call may take, waits for a connection, tries and the pauses between them included. A PUT of 10 MB needs most of them on a
    /// slow line; reading a body has its own.
    package var callSecondsMax = 15.0
    /// Seconds of these within which a GET has to be answered, from looking for a connection to the head, before it is tried again.
    package var firstByteSecondsMax = 5.0
    /// Seconds that the next `Limits.blobChunkBytesMax` of a body may take, however they drip. While nobody asks for them no time runs.
    package var stallSecondsMax = 10.0
    /// Seconds that a connection may take to be made, or to become free where all are used.
    package var connectSecondsMax = 5.0
    /// How often a request is sent, the first time included, unless it was answered for good.
    package var triesMax = 3
    /// Milliseconds around which the first pause before another try lies; the next are each twice as long.
    package var pauseMilliseconds = 100.0
    /// Connections for GETs at once: each image on its way to a client, however slow, holds one, so that there are as many as the most such answers.
    package var readingConnectionsMax = 1_024
    /// Connections at once for all else, which therefore never waits for slow readers.
    package var connectionsMax = 64
    /// Bytes that are read of the answer to anything but a GET and a listing, and of what says why a request was refused.
    package var answerBytesMax = 65_536
    /// Bytes that are read of one page of a listing: a thousand names of 1,024 bytes, each with what is said of it, take less than half.
    package var listingBytesMax = 4 * 1_024 * 1_024
    /// Names on one page of a listing: as many as S3 has on one.
    package var listingNamesMax = 1_000
    /// Pages of one listing: a thousand objects each, and ten times as many as one of 256 parts has in a store of 10⁹.
    package var listingPagesMax = 100_000

    /// Those of production.
    package init() {}
}

import BuildVersion
import Foundation
import Logging
import PersonasHTTP

/// What a server says of itself once it listens, in one line: what whoever looks for a mistake in its settings asks first.
struct StartReport {
    let settings: Settings
    /// Where the data are.
    let place: StorePlace
    /// Client connections that are taken, which may be fewer than are set.
    let connectionsMax: Int
    /// Where this machine's own clients reach the server.
    let address: String
    /// What links in answers begin with.
    let links: String

    /// The line, and a warning where links cannot be followed by those who get them.
    func log(to logger: Logger) {
        logger.info("listening", metadata: metadata)
        if linksLeadNowhere {
            logger.warning(
                "links in answers lead to this machine itself, which others do not reach by them; set public-url to the address that clients use",
                metadata: ["host": .string(settings.host), "links": .string(links)])
        }
    }

    /// Whether clients on other machines are answered with links that lead each of them to its own.
    var linksLeadNowhere: Bool { settings.publicURL == nil && PublicURL.standsForAll(settings.host) }

    var metadata: Logger.Metadata {
        [
            "address": .string(address),
            "body_bytes_max": .stringConvertible(settings.bodyBytesMax),
            "connections_max": .stringConvertible(connectionsMax),
            "cors_origins": .stringConvertible(settings.corsOrigins.count),
            "credits": .string(settings.credits.rawValue),
            "data": .string(place.absoluteWords),
            "development_downloads": .stringConvertible(settings.developmentDownloads),
            "drain_seconds": .stringConvertible(settings.drainSeconds),
            "grace_seconds": .stringConvertible(settings.graceSeconds),
            "host": .string(settings.host),
            "public_url": .string(links),
            "reads_per_second": .stringConvertible(settings.readsPerSecond),
            "requests_in_flight_max": .stringConvertible(settings.requestsInFlightMax),
            "trainer": .string(settings.trainer.rawValue),
            "version": .string(BuildVersion.text),
            "writes_per_second": .stringConvertible(settings.writesPerSecond),
        ]
    }
}

import Foundation
import TestSupport

/// Reads on one connection, one after another: how long each takes when nothing else is asked for.
struct SequentialReads {
    /// What they came to.
    struct Outcome {
        /// The time of the one in the middle.
        let medianMicroseconds: Double
        /// Whether others used the machine meanwhile.
        let isDisturbed: Bool
    }

    let key: String
    let seconds: Double
    /// Reads at most, however fast they are.
    var countMax = 5_000

    /// Asks for the paths in turn until the time is over, twice at least.
    func run(_ server: ServerProcess, paths: [String]) throws -> Outcome {
        let connection = try Connection(port: server.port)
        let (before, processorSeconds) = (ProcessorUse.now, try server.processorSeconds())
        let whole = Stopwatch()
        var microseconds: [Double] = []
        while microseconds.count < 2 || (whole.seconds < seconds && microseconds.count < countMax) {
            let path = paths[microseconds.count % paths.count]
            let watch = Stopwatch()
            let answer = try connection.exchange("GET", path, key: key)
            guard answer.status == 200 else { throw MeasurementFailed("GET \(path) was answered with \(answer.status) rather than 200") }
            microseconds.append(watch.seconds * 1_000_000)
        }
        let foreign = ProcessorUse.now.foreign(since: before, own: try server.processorSeconds() - processorSeconds)
        server.emptyLog()
        return Outcome(medianMicroseconds: microseconds.median, isDisturbed: !foreign.isQuiet)
    }
}

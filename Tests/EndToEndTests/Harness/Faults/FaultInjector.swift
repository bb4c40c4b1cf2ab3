import Foundation
import TestSupport
import Testing

/// Stands between the service and its files: fails, shortens, skips, delays, counts and records calls, or kills the service at one of them.
///
/// It is a library that the service loads before the C library (`LD_PRELOAD`), built from `Tests/FaultInjection`, and a file of numbers that
/// both sides have in memory; so faults come and go while the service runs.
final class FaultInjector: Sendable {
    /// What is asked of the file system.
    enum Call: Int, CaseIterable, Sendable {
        /// `write`, `pwrite`.
        case write
        /// `fsync`, `fdatasync`.
        case sync
        case rename
        /// `open` of a file to be made.
        case create
        case truncate
        case unlink
        /// `open` of a file or folder that is not to be made.
        case open
    }

    /// Of which files.
    enum Target: Int, CaseIterable, Sendable {
        case database = 1
        case media
    }

    /// What happens to a call.
    enum Action: Sendable {
        /// It is not done and gives this `errno`.
        case fail(Int32)
        /// A write takes half of the bytes.
        case short
        /// It is not done and claims that it was.
        case skip
        /// It comes so much later.
        case delay(milliseconds: Int)
        case killBefore
        case killAfter

        fileprivate var words: (number: UInt32, value: UInt32) {
            switch self {
            case .fail(let code): (1, UInt32(code))
            case .short: (2, 0)
            case .skip: (3, 0)
            case .delay(let milliseconds): (4, UInt32(milliseconds))
            case .killBefore: (5, 0)
            case .killAfter: (6, 0)
            }
        }
    }

    /// The places of the numbers, as in `faults.c`.
    private enum Place {
        static let (calls, action, value, acted, counts, traced) = (0, 8, 12, 24, 32, 144)
        static let end = 256
    }

    /// What the service gets in its environment.
    let environment: [String: String]
    /// Where every change of a file and every answer 201 is recorded; nil for no record.
    let trace: String?
    private let control: FileHandle

    /// Prepares faults for the processes of a stage. There is none until one is set.
    /// - Parameter folder: whose files they are about, by its name on the stage; in a backup as in the data folder, what lies below `media` is media.
    init(_ stage: Stage, folder: String = "data", isTracing: Bool = false) throws {
        let path = "\(stage.folder)/faults-\(UUID().uuidString)"
        try Data(count: Place.end).write(to: URL(fileURLWithPath: path))
        control = try #require(FileHandle(forUpdatingAtPath: path))
        trace = isTracing ? path + ".trace" : nil
        var environment = [
            "LD_PRELOAD": try Self.library.get(), "FAULTS_CONTROL": path,
            // The service names its files by their true paths.
            "FAULTS_FOLDER": URL(fileURLWithPath: stage.folder).resolvingSymlinksInPath().path + "/" + folder,
        ]
        environment["FAULTS_TRACE"] = trace
        self.environment = environment
    }

    /// Sets what happens to calls from now on, instead of what was set before.
    /// - Parameters:
    ///   - first: the first of the matching calls that it happens to, from 1.
    ///   - limit: how many it happens to; 0 for all.
    func set(_ action: Action, on calls: Set<Call>, of targets: Set<Target>, from first: Int = 1, limit: Int = 0) {
        clear()
        let (number, value) = action.words
        let (callBits, targetBits) = (calls.reduce(0) { $0 | 1 << $1.rawValue }, targets.reduce(0) { $0 | 1 << $1.rawValue })
        write([UInt32(callBits), UInt32(targetBits)], at: Place.calls)
        write([value, UInt32(first), 0, 0, UInt32(limit)], at: Place.value)
        write([number], at: Place.action)
    }

    /// Ends what was set.
    func clear() { write([0], at: Place.action) }

    /// How many calls it happened to.
    var actedCount: Int { Int(read(UInt32.self, at: Place.acted)) }

    /// How many calls there have been.
    func count(_ call: Call, _ target: Target) -> Int {
        Int(read(UInt64.self, at: Place.counts + (call.rawValue * 2 + target.rawValue - 1) * 8))
    }

    /// How many events have been recorded.
    var tracedCount: Int { Int(read(UInt64.self, at: Place.traced)) }

    private func write(_ words: [UInt32], at offset: Int) {
        _ = words.withUnsafeBytes { pwrite(control.fileDescriptor, $0.baseAddress, $0.count, off_t(offset)) }
    }

    private func read<Number: FixedWidthInteger>(_ type: Number.Type, at offset: Int) -> Number {
        var number: Number = 0
        _ = withUnsafeMutableBytes(of: &number) { pread(control.fileDescriptor, $0.baseAddress, $0.count, off_t(offset)) }
        return number
    }

    /// The library, built once with the C compiler that comes with Swift.
    private static let library = Result { () throws -> String in
        let folder = try TemporaryFolder.make("personas-faults")
        ProcessWarden.watch(folder: folder)
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        let source = root.appendingPathComponent("FaultInjection/faults.c").path
        let library = "\(folder)/libfaults.so"
        _ = try Program.output("clang", ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", library, source, "-ldl"])
        return library
    }
}

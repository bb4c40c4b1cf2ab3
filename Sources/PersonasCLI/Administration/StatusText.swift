import Foundation
import Personas

/// What `personas status` prints: what is known of the service, with what the command itself knows.
struct StatusDocument: Presentable {
    let report: StatusReport
    /// Where the data are.
    let place: StorePlace
    /// The version of this command.
    let version: String
    /// The moment by which ages are told.
    let now: Timestamp

    func show(asJSON isJSON: Bool) throws(CommandFailure) {
        if isJSON { return try Output.json(self) }
        for line in lines { Output.line(line) }
    }

    /// The block for people: what is told on the left, how it is on the right.
    var lines: [String] {
        let width = entries.reduce(0) { max($0, $1.name.count) } + 2
        return entries.flatMap { name, value in
            Output.wrapped(value, indentation: width).enumerated().map { index, text in
                index > 0 ? text : name + text.dropFirst(name.count)
            }
        }
    }

    private var entries: [(name: String, value: String)] {
        var entries = server + [(isShared ? "database" : "data folder", place.absoluteWords)]
        if let stored = report.stored { entries.append(("maintenance", Self.words(for: stored.maintenance))) }
        entries.append(("migrations", Self.words(for: report.schema)))
        guard let stored = report.stored else { return entries + [("disk", disk(nil))] }
        entries.append(("accounts", Quantities.number(stored.contents.accounts)))
        entries += Mode.allCases.map { mode in
            let words = Self.words(for: stored.contents.items.filter { $0.mode == mode })
            let trash = stored.contents.trash[mode] ?? 0
            return (mode.rawValue + "s", trash > 0 ? "\(words); \(Quantities.number(trash)) in the trash" : words)
        }
        entries += [("queue", Self.words(for: stored.queue)), ("disk", disk(stored.images)), ("last backup", backup(stored.lastBackup))]
        return entries
    }

    private var isShared: Bool {
        guard case .shared = place else { return false }
        return true
    }

    private var server: [(name: String, value: String)] {
        if let companions = report.companions { return servers(companions) }
        guard let server = report.server else { return [("server", "not running"), ("version", version)] }
        let identity = server.identity
        let isSame = identity.version.utf8.elementsEqual(version.utf8)
        return [
            ("server", "running for \(Quantities.duration(seconds: server.uptimeSeconds)), process \(identity.pid)"),
            ("version", isSame ? version : "\(identity.version); this command is \(version)"),
            ("address", identity.address), ("public URL", identity.publicURL),
        ]
    }

    /// Those that share a database, whichever of them or of none a command runs beside.
    private func servers(_ companions: [CompanionReport]) -> [(name: String, value: String)] {
        let count = companions.isEmpty ? "none running" : "\(Quantities.number(companions.count)) running"
        return [("servers", count)] + companions.map { ("", words(for: $0)) } + [("version", version)]
    }

    private func words(for companion: CompanionReport) -> String {
        let address = companion.address.isEmpty ? "not listening yet" : companion.address
        let age = Timestamp(text: companion.lastSeenAt).map { max(0, now.milliseconds - $0.milliseconds) } ?? 0
        let isSame = companion.version.utf8.elementsEqual(version.utf8)
        let parts = [address] + (isSame ? [] : ["version \(companion.version)"])
        return (parts + ["seen \(age / 1_000).\(age % 1_000 / 100) s ago", companion.id.text]).joined(separator: ", ")
    }

    private static func words(for maintenance: MaintenanceReport) -> String {
        maintenance.on ? "on; clients are told to come back after \(maintenance.retryAfter) s" : "off"
    }

    private static func words(for schema: StatusReport.Schema) -> String {
        var parts = ["\(schema.applied) applied"]
        if !schema.pending.isEmpty {
            parts.append("\(schema.pending.count) pending (\(schema.pending.joined(separator: ", "))); personas migrate up applies them")
        }
        if !schema.changed.isEmpty { parts.append("changed after they were applied: \(schema.changed.joined(separator: ", "))") }
        if !schema.unknown.isEmpty { parts.append("of a newer version: \(schema.unknown.joined(separator: ", "))") }
        return parts.joined(separator: "; ")
    }

    private static func words(for tallies: [StoreContents.Tally]) -> String {
        let total = tallies.reduce(0) { $0 + $1.count }
        let parts = tallies.map { "\(Quantities.number($0.count)) \($0.status.rawValue)" }
        return "\(Quantities.number(total)): \(parts.joined(separator: ", "))"
    }

    private static func words(for queue: StatusReport.Queue) -> String {
        let jobs = "\(Quantities.count(queue.jobsQueued, "training job")) waiting, \(Quantities.number(queue.jobsLeased)) in work"
        let images = "\(Quantities.count(queue.imageRemovals, "image")) to remove"
        var words = "\(jobs); \(images); \(Quantities.count(queue.waitingWrites, "write")) waiting"
        if queue.deliveries > 0 { words += "; \(Quantities.count(queue.deliveries, "delivery", "deliveries")) to webhooks waiting" }
        if queue.webhooksDisabled > 0 { words += "; \(Quantities.count(queue.webhooksDisabled, "webhook")) disabled" }
        return words
    }

    private func disk(_ images: ImageVolume?) -> String {
        var parts: [String] = []
        if let bytes = report.disk.databaseBytes { parts.append("database \(Quantities.bytes(bytes))") }
        if let images { parts.append("\(Quantities.count(images.images, "image")) \(Quantities.bytes(images.bytes))") }
        if let bytes = report.disk.freeBytes { parts.append("free \(Quantities.bytes(bytes))") }
        return parts.isEmpty ? "unknown" : parts.joined(separator: ", ")
    }

    private func backup(_ record: BackupRecord?) -> String {
        guard let record else { return "none of these data" }
        let age = Timestamp(text: record.createdAt).map { max(0, now.milliseconds - $0.milliseconds) / 1_000 }
        let words = age.map { ", \(Quantities.duration(seconds: Int($0))) ago" } ?? ""
        return "\(record.createdAt)\(words), \(record.directory)\(record.isPresent ? "" : " (not there any more)")"
    }
}

extension StatusDocument: Encodable {
    private enum CodingKeys: String, CodingKey {
        case dataFolder, database, version, server, replicas, maintenance, migrations, accounts, items, queue, disk, lastBackup
    }

    private struct Server: Encodable {
        let version: String
        let pid: Int
        let address: String
        let publicURL: String
        let startedAt: String
        let uptimeSeconds: Int

        init(_ report: ServerReport) {
            (version, pid) = (report.identity.version, report.identity.pid)
            (address, publicURL) = (report.identity.address, report.identity.publicURL)
            (startedAt, uptimeSeconds) = (report.startedAt, report.uptimeSeconds)
        }
    }

    private struct Disk: Encodable {
        let use: DiskUse
        let images: ImageVolume?

        enum CodingKeys: String, CodingKey {
            case databaseBytes, mediaBytes, images, freeBytes
        }

        func encode(to encoder: any Encoder) throws {
            var members = encoder.container(keyedBy: CodingKeys.self)
            try members.encode(use.databaseBytes, forKey: .databaseBytes)
            try members.encode(images?.bytes, forKey: .mediaBytes)
            try members.encode(images?.images, forKey: .images)
            try members.encode(use.freeBytes, forKey: .freeBytes)
        }
    }

    /// Every member is there, whatever is known.
    func encode(to encoder: any Encoder) throws {
        let stored = report.stored
        var items: [String: [String: Int]]?
        for tally in stored?.contents.items ?? [] {
            items = items ?? [:]; items?[tally.mode.rawValue, default: [:]][tally.status.rawValue] = tally.count
        }
        for (mode, count) in stored?.contents.trash ?? [:] { items?[mode.rawValue]?["trash"] = count }
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(isShared ? nil : place.absoluteWords, forKey: .dataFolder)
        try members.encode(isShared ? place.absoluteWords : nil, forKey: .database)
        try members.encode(version, forKey: .version)
        try members.encode(report.server.map(Server.init), forKey: .server)
        try members.encode(report.companions, forKey: .replicas)
        try members.encode(stored?.maintenance, forKey: .maintenance)
        try members.encode(report.schema, forKey: .migrations)
        try members.encode(stored?.contents.accounts, forKey: .accounts)
        try members.encode(items, forKey: .items)
        try members.encode(stored?.queue, forKey: .queue)
        try members.encode(Disk(use: report.disk, images: stored?.images), forKey: .disk)
        try members.encode(stored?.lastBackup, forKey: .lastBackup)
    }
}

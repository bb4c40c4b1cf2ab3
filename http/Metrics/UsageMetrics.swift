import CoreMetrics
import Logging
import Personas
import PersonasMetrics

/// What is stored, what it takes of the disk, when it was backed up last, and whether clients are turned away.
///
/// What has to be counted is counted when it is asked for, and then told for some seconds, because the call needs no key.
final class UsageMetrics: Sendable {
    private struct Gauges {
        let accounts: Meter
        let items: [Mode: [Status: Meter]]
        let trash: [Mode: Meter]
        let images: Meter
        let imageBytes: Meter
        let databaseBytes: Meter
        let freeBytes: Meter
        let lastBackup: Meter
        let maintenance: Meter

        init(_ factory: any MetricsFactory) {
            func meter(_ name: String, _ help: String) -> Meter { Metric(name, help: help).meter(in: factory) }
            accounts = meter("personas_accounts", "Accounts.")
            let byStatus = Metric("personas_items", help: "Personas and styles, by mode and status.")
            items = Mode.allCases.reduce(into: [:]) { items, mode in
                items[mode] = Status.allCases.reduce(into: [:]) { ofMode, status in
                    ofMode[status] = byStatus.meter([("mode", mode.rawValue), ("status", status.rawValue)], in: factory)
                }
            }
            let byMode = Metric("personas_trash_items", help: "Personas and styles in the trash, by mode.")
            trash = Mode.allCases.reduce(into: [:]) { $0[$1] = byMode.meter([("mode", $1.rawValue)], in: factory) }
            images = meter("personas_images", "Images that are stored, each once however many items have it.")
            imageBytes = meter("personas_media_bytes", "Bytes of all images that are stored.")
            databaseBytes = meter("personas_database_bytes", "Bytes of the database with its log.")
            freeBytes = meter("personas_disk_free_bytes", "Bytes that are left on the disk of the data folder.")
            lastBackup = meter(
                "personas_last_backup_timestamp_seconds",
                "The moment that the newest backup of these data holds, in seconds since 1970; 0 without one.")
            maintenance = meter("personas_maintenance", "1 while clients are turned away for maintenance, else 0.")
        }
    }

    private let usage: any StoreUsage
    private let backups: (any BackupStore)?
    private let maintenance: any MaintenanceStore
    private let pause: CountingPause
    private let gauges: Gauges

    init(_ source: MetricsSource) {
        (usage, backups, maintenance) = (source.usage, source.backups, source.maintenance)
        pause = CountingPause(ageMax: source.usageAgeMax)
        gauges = Gauges(source.registry)
        set(contents: nil)
        set(images: nil)
    }

    /// Notes how things are, what has to be counted only where that was not done just before.
    func refresh(logger: Logger) async {
        gauges.maintenance.set(maintenance.maintenance.isOn ? 1 : 0)
        guard pause.isOver() else { return }
        // In a task of its own, which goes on when the caller breaks off: or nobody would be told numbers while somebody did so again and again.
        await Task { await count(logger) }.value
    }

    private func count(_ logger: Logger) async {
        let disk = usage.disk()
        gauges.databaseBytes.set(disk.databaseBytes.map { Double($0) } ?? .nan)
        gauges.freeBytes.set(disk.freeBytes.map { Double($0) } ?? .nan)
        do throws(Failure) {
            let record = try await backups?.lastBackup()
            let moment = (record?.createdAt).flatMap { Timestamp(text: $0) }
            gauges.lastBackup.set(moment.map { Double($0.milliseconds) / 1_000 } ?? 0)
            set(contents: try await usage.contents())
            set(images: try await usage.images())
        } catch {
            set(contents: nil)
            set(images: nil)
            logger.error("what is stored could not be counted", metadata: ["reason": "\(error)"])
        }
    }

    /// Not a number means that it is not known.
    private func set(contents: StoreContents?) {
        gauges.accounts.set(contents.map { Double($0.accounts) } ?? .nan)
        for meter in gauges.items.values.flatMap(\.values) where contents == nil { meter.set(Double.nan) }
        for (mode, meter) in gauges.trash { meter.set(contents?.trash[mode].map { Double($0) } ?? .nan) }
        for tally in contents?.items ?? [] { gauges.items[tally.mode]?[tally.status]?.set(tally.count) }
    }

    private func set(images: ImageVolume?) {
        gauges.images.set(images.map { Double($0.images) } ?? .nan)
        gauges.imageBytes.set(images.map { Double($0.bytes) } ?? .nan)
    }
}

/// What a line of an archive came to, as whoever sent it is told.
package struct ImportedItem: Sendable, Codable, Equatable {
    /// What was done with it.
    package enum Status: String, Sendable, Codable {
        /// It was created now.
        case created
        /// It was created by an earlier call under the same key.
        case skipped
        /// It was not created. A call under the same key tries it anew.
        case failed
    }

    /// Counts the lines of all files of items, from 1.
    package let line: Int
    /// The new item's id; nil where there is none.
    package let id: Identifier?
    /// The name that the archive gives it.
    package let name: String
    /// Persona or style.
    package let mode: Mode
    /// What was done.
    package let status: Status
    /// Why it was not created.
    package let failure: Failure?
}

/// What all lines of an archive came to.
package struct ImportTotals: Sendable, Codable, Equatable {
    /// Lines in all.
    package var items = 0
    /// Items that were created now.
    package var created = 0
    /// Items that were created by earlier calls under the same key.
    package var skipped = 0
    /// Lines of which nothing was created.
    package var failed = 0

    /// Nothing yet.
    package init() {}

    /// Counts lines.
    package mutating func add(_ lines: [ImportedItem]) {
        items += lines.count
        for line in lines {
            switch line.status {
            case .created: created += 1
            case .skipped: skipped += 1
            case .failed: failed += 1
            }
        }
    }
}

/// An import whose archive was looked at, on its way: some items at a time are created in one transaction, in the order of the archive.
///
/// Under a key what became of each line is written down in the transaction that created it, so that whoever sends the same archive under the same key
/// again, after whatever ended the first, has the rest created and is told of the whole. What stood against a line may be over by then, so that lines of
/// which nothing was created are tried anew.
package struct ArchiveImport: Sendable {
    /// Items that are created in one transaction: few enough that no client's write waits behind them for long.
    static let stepItems = 20

    let archives: Archives
    let archive: VerifiedArchive
    let spool: any ArchiveSpool
    let accountID: Identifier
    let record: ImportRecord?
    let requestID: String?

    /// Items in all.
    package var itemCount: Int { archive.itemCount }

    /// Creates what was not created before.
    /// - Parameter sink: told what lines came to, in their order; the next ones are looked at when it returns. What it throws ends the import between two
    ///   steps.
    /// - Returns: what all lines came to.
    /// - Throws: `Failure` where the import cannot go on, and what the sink throws.
    package func run(_ sink: ([ImportedItem]) async throws -> Void) async throws -> ImportTotals {
        var totals = ImportTotals()
        var reader = ArchiveLines(files: archive.itemFiles, format: archives.format)
        var lastStep = Timestamp(milliseconds: 0)
        while true {
            try Task.checkCancellation()
            let first = reader.linesRead + 1
            // Ids are given in the order of the items, which they keep where several were created in one moment.
            lastStep = max(archives.clock.now, Timestamp(milliseconds: lastStep.milliseconds + 1))
            let isDone = reader.linesRead < record?.linesDone ?? 0
            let (items, next) = try await read(
                from: reader, atMost: isDone ? min(Self.stepItems, (record?.linesDone ?? 0) - reader.linesRead) : Self.stepItems)
            guard !items.isEmpty else { return totals }
            reader = next
            let numbered = zip(first..., items).map { NumberedItem(line: $0, item: $1) }
            let done = isDone ? try await created(first..<first + items.count) : [:]
            var outcomes = try await create(numbered.filter { done[$0.line] == nil }, idsAt: lastStep)[...]
            let lines = numbered.map { numbered in
                let earlier = done[numbered.line]
                return ImportedItem(numbered, earlier.map { .success($0) } ?? outcomes.removeFirst().id, wasDone: earlier != nil)
            }
            totals.add(lines)
            try await sink(lines)
        }
    }

    private func read(from reader: ArchiveLines, atMost count: Int) async throws(Failure) -> ([ArchiveItem], ArchiveLines) {
        try await spool.perform { (file) throws(Failure) in
            var (reader, items) = (reader, [ArchiveItem]())
            while items.count < count, let item = try reader.next(in: file) { items.append(item) }
            return (items, reader)
        }
    }

    /// Which of some lines have been created by an earlier call, and the ids of those items.
    private func created(_ lines: Range<Int>) async throws(Failure) -> [Int: Identifier] {
        guard let record else { return [:] }
        let outcomes = try await archives.store.outcomes(of: record.number, after: lines.lowerBound - 1, limit: lines.count)
        var created: [Int: Identifier] = [:]
        for outcome in outcomes { if case .success(let id) = outcome.id { created[outcome.line] = id } }
        return created
    }

    private func create(_ items: [NumberedItem], idsAt moment: Timestamp) async throws(Failure) -> [ImportOutcome] {
        guard !items.isEmpty else { return [] }
        let ids = items.map { _ in Identifier.timeOrdered(at: moment) }.sorted()
        var stored = StepImages(import: self)
        var lines: [ImportedLine] = []
        let outcomes: [ImportOutcome]
        do throws(Failure) {
            for (item, id) in zip(items, ids) {
                lines.append(ImportedLine(line: item.line, item: try await prepared(item.item, id: id, &stored)))
            }
            outcomes = try await archives.store.create(
                lines, of: record?.number, costing: archives.credits?.prices, in: WriteContext(at: archives.clock.now, requestID: requestID)
            )
        } catch {
            await stored.abandon()
            throw error
        }
        let created = zip(lines, outcomes).compactMap { line, outcome in
            if case .success = outcome.id { try? line.item.get() } else { nil }
        }
        await stored.release(keeping: created)
        if created.contains(where: { $0.outcome == nil }) { archives.signals.jobs.notify() }
        if outcomes.contains(where: { $0.isTopUpAsked }) { archives.signals.topUps.notify() }
        return outcomes
    }

    /// An item as it is to be stored, its images on disk, or why it cannot be. What stands against it is looked for before its images are.
    private func prepared(
        _ item: ArchiveItem, id: Identifier, _ stored: inout StepImages
    ) async throws(Failure) -> Result<NewPikzonality, Failure> {
        if let refusal = try await refusal(of: item) { return .failure(refusal) }
        var images: [StoredImage] = []
        do throws(Failure) {
            for digest in item.digests { images.append(try await stored.image(digest)) }
        } catch .badImages(let first, let others) {
            // What is stored without its metadata may grow by its orientation, beyond what an image may have.
            return .failure(.badImages(first, others: others))
        }
        return .success(
            NewPikzonality(
                id: id, accountID: accountID, mode: item.mode, details: item.details,
                references: Array(images.prefix(item.references.count)),
                outcome: item.outcome, portrait: item.portrait == nil ? nil : images.last, createdAt: item.createdAt,
                settlement: item.settlement))
    }

    private func refusal(of item: ArchiveItem) async throws(Failure) -> Failure? {
        do throws(Failure) {
            try archives.policy.check([(.name, item.details.name.text), (.specialInstructions, item.details.specialInstructions)])
        } catch {
            return error
        }
        let availability = try await archives.items.availability(
            of: item.details.name, externalID: item.details.externalID, mode: item.mode, accountID: accountID)
        switch availability {
        case .free: break
        case .reserved: return .nameReserved
        case .taken(let id): return .nameTaken(item.mode, id)
        case .externalIDTaken(let id): return .externalIDTaken(item.mode, id)
        }
        let usage = try await archives.items.usage(accountID: accountID)
        do throws(Failure) {
            try usage.requireRoom(forImageBytes: nil)
            // Nobody waits with an import, and no image is written for what cannot be paid for.
            if item.outcome == nil { try await archives.credits?.requireCoverable(item.mode, accountID: accountID, waits: false) }
        } catch {
            switch error {
            case .quotaExceeded, .insufficientCredits, .topUpFailed: return error
            default: throw error
            }
        }
        return nil
    }
}

/// An item with the number of its line.
private struct NumberedItem {
    let line: Int
    let item: ArchiveItem
}

extension ImportOutcome {
    /// Whether the item was refused for want of credits that are asked for by now.
    fileprivate var isTopUpAsked: Bool {
        guard case .failure(.insufficientCredits(let shortage)) = id else { return false }
        return shortage.isTopUpAsked
    }
}

extension ImportedItem {
    fileprivate init(_ numbered: NumberedItem, _ fate: Result<Identifier, Failure>, wasDone: Bool) {
        var (id, failure): (Identifier?, Failure?) = (nil, nil)
        switch fate {
        case .success(let new): id = new
        case .failure(let reason): failure = reason
        }
        self.init(
            line: numbered.line, id: id, name: numbered.item.details.name.text, mode: numbered.item.mode,
            status: failure != nil ? .failed : wasDone ? .skipped : .created, failure: failure)
    }
}

/// The images of one step, each pinned once and on disk.
private struct StepImages {
    private let run: ArchiveImport
    private var images: [[UInt8]: StoredImage] = [:]

    init(import run: ArchiveImport) {
        self.run = run
    }

    /// An image of the archive, by the digest that it has there. One at a time, so that an import holds no more than one in memory.
    mutating func image(_ digest: [UInt8]) async throws(Failure) -> StoredImage {
        if let image = images[digest] { return image }
        let (index, keepsMetadata) = (run.archive.images, run.archives.keepsImageMetadata)
        let image = try await run.spool.perform { (file) throws(Failure) in
            guard let place = try index.place(of: digest) else { throw .unexpected("An image of an archive is not where it was") }
            return try ReferenceImage.checked(
                try file.read(at: place.lowerBound, count: place.count), keepingMetadata: keepsMetadata,
                at: ImagePosition(field: .own("archive"), index: nil))
        }
        let stored = try await run.archives.images.store(image)
        images[digest] = stored
        return stored
    }

    /// Ends the pins once rows name the images of some items; the other images are given up.
    func release(keeping items: [NewPikzonality]) async {
        let needed = Set(items.flatMap { $0.references + ($0.portrait.map { [$0] } ?? []) }.map(\.key))
        await run.archives.images.release(images.values.filter { needed.contains($0.key) })
        let needless = images.values.filter { !needed.contains($0.key) }
        if !needless.isEmpty { await run.archives.images.abandon(needless) }
    }

    /// Gives all of them up.
    func abandon() async {
        if !images.isEmpty { await run.archives.images.abandon(Array(images.values)) }
    }
}

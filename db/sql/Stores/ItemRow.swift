import Foundation
import Personas

/// The row of one persona or style.
enum ItemRow {
    /// A column, and what an item stores in it.
    private typealias Column = (name: String, value: @Sendable (Pikzonality) -> (any SQLValue)?)

    /// What a row is born with, and what its training job changes.
    private static let fixed: [Column] = [
        ("id", { $0.id }), ("account_id", { $0.accountID }), ("mode", { $0.mode.rawValue }), ("status", { $0.status.rawValue }),
        ("progress", { $0.progress }), ("reference_tokens", { Data($0.referenceTokens.flatMap(\.bytes)) }),
        ("portrait_token", { $0.portraitToken }), ("error_code", { $0.error?.code.rawValue }),
        ("error_message", { $0.error?.message }), ("created_at", { $0.createdAt.milliseconds }),
    ]

    /// What a change of an owner stores: the time and the count of changes, then what owners set.
    private static let changeable: [Column] = [
        ("updated_at", { $0.updatedAt.milliseconds }), ("version", { $0.version }), ("name", { $0.name.text }),
        ("special_instructions", { $0.details.specialInstructions }), ("external_id", { $0.details.externalID }),
        ("metadata", { $0.details.metadata.isEmpty ? nil : Data($0.details.metadata.bytes) }),
        ("settles_to", { $0.settlement?.rawValue }),
    ]

    /// What follows from another column, is stored with it, and is never read.
    private static let derived: [Column] = [("name_key", { $0.name.key })]

    /// What an owner sets, and has back by its revisions.
    private static let owned = changeable.filter { ["name", "special_instructions", "external_id", "metadata"].contains($0.name) }

    private static let read = fixed + changeable
    private static let inserted = read + derived
    private static let updated = changeable + derived

    /// What the steps of an item's life change, with the time and the count of changes.
    private static let trained = (fixed + changeable).filter {
        [
            "status", "progress", "reference_tokens", "portrait_token", "error_code", "error_message", "updated_at", "version",
            "settles_to",
        ].contains($0.name)
    }

    /// What an event keeps of how an item was.
    private static let kept = read.filter { $0.name != "account_id" }

    /// The names of what an event keeps.
    static let snapshotColumns = kept.map(\.name)

    /// What `decode` expects, in its order.
    static let columns = columns(of: "pikzonality")

    /// The same from a table that has columns of the same names.
    /// - Parameter id: what the item's id is called there.
    static func columns(of table: String, id: String = "id") -> String {
        read.map { "\(table).\($0.name == "id" ? id : $0.name)" }.joined(separator: ", ")
    }

    /// The names of what is stored of an item, but for what follows from another column.
    static let columnNames = read.map(\.name).joined(separator: ", ")

    /// How many columns `columns` names: the place of what a query selects behind them.
    static let columnCount = Int32(read.count)

    /// The query of one item. A constant, as are the other statements, because putting its text together would cost a part of what running it
    /// does.
    private static let byID = FixedQuery("SELECT \(columns) FROM pikzonality WHERE id = ?")

    static let modes = StoredWords<Mode>()
    static let statuses = StoredWords<Status>()
    private static let settlements = StoredWords<Settlement>()

    private static let insertion = """
        INSERT INTO pikzonality (\(inserted.map(\.name).joined(separator: ", ")), revision_request_id)
        VALUES (\(inserted.map { _ in "?" }.joined(separator: ", ")), ?)
        """

    private static let change = update(updated)
    private static let training = update(trained)

    private static func update(_ columns: [Column]) -> String {
        "UPDATE pikzonality SET \(columns.map { "\($0.name) = ?" }.joined(separator: ", ")) WHERE id = ?"
    }

    /// Reads a row whose first columns are `columns`.
    static func decode(_ row: SQLRow) throws -> Pikzonality {
        let status = try row.word(3, of: statuses)
        return Pikzonality(
            id: try row.identifier(0), accountID: try row.identifier(1), mode: try row.word(2, of: modes),
            details: PikzonalityDetails(
                name: Name(stored: row.bytes(12)), specialInstructions: row.text(13), externalID: row.text(14),
                metadata: Metadata(stored: row.bytes(15))),
            status: status, progress: Int(row.integer(4)), referenceTokens: ReferenceTokens(bytes: row.bytes(5)),
            // The table lets no row have one of these in another state.
            portraitToken: status == .completed ? RandomToken(bytes: row.bytes(6)) : nil,
            error: status == .failed ? error(code: row.text(7), message: row.text(8)) : nil,
            createdAt: row.timestamp(9), updatedAt: row.timestamp(10), version: Int(row.integer(11)),
            settlement: settlements[row.bytes(16)])
    }

    /// One item, nil if there is none.
    static func find(_ id: Identifier, _ connection: any SQLConnection) throws -> Pikzonality? {
        try connection.first(byID, { $0.bind(id) }, row: decode)
    }

    /// Stores an item that is not there.
    /// - Parameter requestID: the request that brings about its first state, if one of its owner does.
    static func insert(_ item: Pikzonality, requestID: String?, _ db: any SQLTransaction) throws {
        try db.run(insertion, inserted.map { $0.value(item) } + [requestID])
        try MetadataIndex.insert(item, db)
    }

    /// Stores what an owner changes of an item that is there.
    static func update(_ item: Pikzonality, from before: Pikzonality, _ db: any SQLTransaction) throws {
        try db.run(change, updated.map { $0.value(item) } + [item.id])
        try MetadataIndex.update(from: before, to: item, db)
    }

    /// Stores what a step of its life changes of an item that is there.
    static func updateTraining(_ item: Pikzonality, _ db: any SQLTransaction) throws {
        try db.run(training, trained.map { $0.value(item) } + [item.id])
    }

    /// The values of `snapshotColumns`.
    static func snapshot(of item: Pikzonality) -> [(any SQLValue)?] { kept.map { $0.value(item) } }

    /// What an owner has set, in the order of the columns of a revision.
    static func details(of item: Pikzonality) -> [(any SQLValue)?] { owned.map { $0.value(item) } }

    private static func error(code: String?, message: String?) -> TrainingError? {
        guard let code = code.flatMap(TrainingErrorCode.init), let message else { return nil }
        return TrainingError(code: code, message: message)
    }
}

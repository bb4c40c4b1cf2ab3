import Foundation
import GRDB
import Personas

/// The row of one persona or style.
enum ItemRow {
    /// What `decode` expects, in its order.
    static let columns = """
        pikzonality.id, account_id, mode, name, status, progress, special_instructions, reference_tokens, portrait_token, \
        error_code, error_message, created_at, updated_at, version
        """

    /// How many columns `columns` names: the place of what a query selects behind them.
    static let columnCount: Int32 = 14

    /// The query of one item. A constant, because putting its text together would cost a part of what running it does.
    static let byID = "SELECT \(columns) FROM pikzonality WHERE id = ?"

    /// Reads a row whose first columns are `columns`.
    static func decode(_ row: SQLRow) throws -> Pikzonality {
        guard let mode = Mode(rawValue: try row.requiredText(2)), let status = Status(rawValue: try row.requiredText(4)) else {
            throw Failure.unexpected("An item has an unknown mode or status")
        }
        return Pikzonality(
            id: try row.identifier(0), accountID: try row.identifier(1), mode: mode, name: Name(stored: try row.requiredText(3)),
            status: status, progress: Int(row.integer(5)), specialInstructions: row.text(6), referenceTokens: tokens(row.bytes(7)),
            portraitToken: RandomToken(bytes: row.bytes(8)), error: error(code: row.text(9), message: row.text(10)),
            createdAt: row.timestamp(11), updatedAt: row.timestamp(12), version: Int(row.integer(13)))
    }

    /// One item, nil if there is none.
    static func find(_ id: Identifier, _ connection: some SQLConnection) throws -> Pikzonality? {
        try connection.first(byID, [.identifier(id)], row: decode)
    }

    /// Stores a new item.
    static func insert(_ item: Pikzonality, _ db: Database) throws {
        try db.run(
            """
            INSERT INTO pikzonality (
                id, account_id, mode, name, name_key, status, progress, special_instructions, reference_tokens, portrait_token,
                error_code, error_message, created_at, updated_at, version
            ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                item.id.data, item.accountID.data, item.mode.rawValue, item.name.text, item.name.key, item.status.rawValue, item.progress,
                item.specialInstructions, Data(item.referenceTokens.flatMap(\.bytes)), item.portraitToken?.data, item.error?.code.rawValue,
                item.error?.message, item.createdAt.milliseconds, item.updatedAt.milliseconds, item.version,
            ])
    }

    /// Stores what an owner changes of an item that is there.
    static func update(_ item: Pikzonality, _ db: Database) throws {
        try db.run(
            "UPDATE pikzonality SET name = ?, name_key = ?, special_instructions = ?, updated_at = ?, version = ? WHERE id = ?",
            [
                item.name.text, item.name.key, item.specialInstructions, item.updatedAt.milliseconds, item.version, item.id.data,
            ])
    }

    private static func tokens(_ bytes: UnsafeRawBufferPointer) -> [RandomToken] {
        stride(from: 0, to: bytes.count, by: 16).compactMap {
            RandomToken(bytes: UnsafeRawBufferPointer(rebasing: bytes[$0..<min($0 + 16, bytes.count)]))
        }
    }

    private static func error(code: String?, message: String?) -> TrainingError? {
        guard let code = code.flatMap(TrainingErrorCode.init), let message else { return nil }
        return TrainingError(code: code, message: message)
    }
}

/// A table whose rows are moved: it has the same name and columns in SQLite and PostgreSQL, and of some PostgreSQL has more.
struct MovedTable: Sendable {
    /// What a column holds that PostgreSQL has beside those of SQLite.
    enum OwnValue: Sendable {
        /// The id of the object that an image lies under, which follows from the row's digest.
        case object
        /// The same for each row.
        case integer(Int64)
        /// Nothing.
        case null
    }

    let name: String
    /// The columns that PostgreSQL has beside those of SQLite.
    var own: [(name: String, value: OwnValue)] = []
    /// Whether a database that nothing was ever put into has rows here all the same.
    var hasRowsWhenNew = false
    /// Which rows are those that were moved; others were there before.
    var condition = "true"
    /// The column whose numbers the database gives.
    var numbered: String?

    /// All of them, each after those that it refers to. A test compares them with both schemas.
    static let all: [MovedTable] = [
        MovedTable(name: "epoch", hasRowsWhenNew: true),
        MovedTable(name: "maintenance", hasRowsWhenNew: true),
        MovedTable(name: "reserved_name", hasRowsWhenNew: true),
        MovedTable(name: "blocked_term", hasRowsWhenNew: true),
        // What the database tells of itself gets negative numbers meanwhile.
        MovedTable(name: "audit", hasRowsWhenNew: true, condition: "number > 0", numbered: "number"),
        MovedTable(name: "account"),
        MovedTable(name: "api_key"),
        MovedTable(name: "api_key_older_secret"),
        MovedTable(name: "idempotency_record", own: [("claim", .null), ("claimed_until", .null)]),
        MovedTable(name: "media", own: [("object", .object), ("is_stored", .integer(1)), ("held_until", .integer(0))]),
        MovedTable(name: "media_removal"),
        MovedTable(name: "pikzonality"),
        MovedTable(name: "image_link", own: [("object", .object)]),
        MovedTable(name: "metadata_entry"),
        MovedTable(name: "revision"),
        MovedTable(name: "trash_item"),
        MovedTable(name: "trash_link", own: [("object", .object)]),
        MovedTable(name: "item_count"),
        MovedTable(name: "trash_count"),
        MovedTable(name: "stored_bytes"),
        MovedTable(name: "training_job"),
        MovedTable(name: "fal_request"),
        MovedTable(name: "event", numbered: "number"),
        MovedTable(name: "event_counter"),
        MovedTable(name: "event_reduction"),
        MovedTable(name: "webhook"),
        MovedTable(name: "webhook_delivery", numbered: "number"),
        MovedTable(name: "webhook_attempt"),
        MovedTable(name: "webhook_removal"),
        MovedTable(name: "import", numbered: "number"),
        MovedTable(name: "import_line"),
        MovedTable(name: "credit_ledger"),
        MovedTable(name: "credit_entry"),
        MovedTable(name: "open_charge"),
        MovedTable(name: "smart_balance"),
        MovedTable(name: "top_up"),
        MovedTable(name: "abandoned_top_up"),
    ]

    /// Tables that SQLite alone has: its book of migrations, and its index of names.
    static let ofSQLiteAlone: Set<String> = [
        "migration", "name_list", "name_document", "name_index", "name_index_config", "name_index_data", "name_index_idx",
        "sqlite_sequence",
    ]

    /// Tables that PostgreSQL alone has: its book of migrations, and what processes tell each other.
    static let ofPostgresAlone: Set<String> = ["migration", "generation", "replica", "rate_use", "object_removal"]
}

/// A seed file: what a database is to hold, loaded through the same rules as the API. Loading it again changes nothing.
///
/// The file is a form that people write, so its names are spelled out here; they do not change with those of the members.
package struct SeedDocument: Sendable, Codable, Equatable {
    /// An account to be there.
    package struct AccountEntry: Sendable, Codable, Equatable {
        /// The account's name.
        package let name: String

        package init(name: String) {
            self.name = name
        }
    }

    /// A key to be there, told apart by its account and label.
    package struct KeyEntry: Sendable, Codable, Equatable {
        /// The name of the account.
        package let account: String
        /// The label that tells the key apart.
        package let label: String
        /// What it may be used for; `read` and `write` if not said.
        package let scopes: Set<Scope>?

        package init(account: String, label: String, scopes: Set<Scope>?) {
            self.account = account
            self.label = label
            self.scopes = scopes
        }
    }

    /// A persona or style to be there, told apart by its account and name.
    package struct ItemEntry: Sendable, Codable, Equatable {
        /// The name of the account.
        package let account: String
        /// The item's name.
        package let name: String
        /// Words for the trainer.
        package let specialInstructions: String?
        /// What the owner's own program calls the item.
        package let externalID: String?
        /// The owner's own labels.
        package let metadata: [String: String]?
        /// Image files, relative to the seed file.
        package var images: [String]
        /// The images' bytes as base64, filled in by the command that reads the files.
        package var imageBase64s: [String]?
        /// How training has ended; if not said, the trainer gets the job.
        package let outcome: TrainingOutcome?

        enum CodingKeys: String, CodingKey {
            case account, name, images, outcome
            case metadata
            case specialInstructions = "special_instructions"
            case externalID = "external_id"
            case imageBase64s = "image_base64s"
        }

        package init(
            account: String, name: String, specialInstructions: String?, externalID: String?, metadata: [String: String]?, images: [String],
            outcome: TrainingOutcome?
        ) {
            self.account = account
            self.name = name
            self.specialInstructions = specialInstructions
            self.externalID = externalID
            self.metadata = metadata
            self.images = images
            self.outcome = outcome
        }

        /// What the item's owner would send.
        func draft(imageBase64s: [String]) -> CreateDraft {
            CreateDraft(
                DetailsDraft(name: name, specialInstructions: specialInstructions, externalID: externalID, metadata: metadata),
                imageBase64s: imageBase64s)
        }
    }

    /// Accounts to be there.
    package var accounts: [AccountEntry]?
    /// Keys to be there.
    package var keys: [KeyEntry]?
    /// Names to be reserved.
    package var reservedNames: [String]?
    /// Terms to be blocked.
    package var blockedTerms: [String]?
    /// Personas to be there.
    package var personas: [ItemEntry]?
    /// Styles to be there.
    package var styles: [ItemEntry]?

    enum CodingKeys: String, CodingKey {
        case accounts, keys, personas, styles
        case reservedNames = "reserved_names"
        case blockedTerms = "blocked_terms"
    }

    /// A document with nothing in it.
    package init() {}
}

/// What loading a seed changed, keys aside.
package struct SeedReport: Sendable, Codable, Equatable {
    /// Accounts created.
    package var accounts = 0
    /// Names that became reserved.
    package var reservedNames = 0
    /// Terms that became blocked.
    package var blockedTerms = 0
    /// Personas created.
    package var personas = 0
    /// Styles created.
    package var styles = 0

    /// Nothing changed yet.
    package init() {}
}

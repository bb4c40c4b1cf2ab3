/// What can become of a persona or a style that a client is told of.
package enum EventKind: String, Sendable, CaseIterable, Codable {
    /// It was taken in.
    case created
    /// Its training has come further.
    case progress
    /// Its training ended well.
    case completed
    /// Its training ended badly, or was cancelled.
    case failed
    /// Its training began anew.
    case retried
    /// Its owner changed it.
    case updated
    /// It was put into the trash.
    case trashed
    /// It was taken out of the trash.
    case restored
    /// It is gone for good.
    case deleted
}

/// What an event tells, as its `type` names it.
package enum EventType: Sendable, Hashable {
    /// Something became of an item: `persona.completed`.
    case item(Mode, EventKind)
    /// An endpoint gets nothing any more.
    case webhookDisabled
    /// An account's credits became more, or fewer.
    case credits(CreditEntryKind)
    /// No credits are bought any more for an account that has few, because nobody paid.
    case smartBalancePaused
    /// Somebody tries an endpoint. It has no sequence, and is not among the account's events.
    case webhookTest

    private static let (disabledText, pausedText, testText) = ("webhook.disabled", "smart_balance.paused", "webhook.test")

    /// Every type that stands among the events of an account.
    package static let all =
        Mode.allCases.flatMap { mode in EventKind.allCases.map { .item(mode, $0) } } + [webhookDisabled]
        + CreditEntryKind.allCases.map { .credits($0) } + [smartBalancePaused]

    /// Reads what `text` wrote; nil for any other text.
    package init?(_ text: String) {
        let utf8 = text.utf8
        guard let found = (Self.all + [.webhookTest]).first(where: { $0.text.utf8.elementsEqual(utf8) }) else { return nil }
        self = found
    }

    /// As clients see it.
    package var text: String {
        switch self {
        case .item(let mode, let kind): "\(mode.rawValue).\(kind.rawValue)"
        case .webhookDisabled: Self.disabledText
        case .credits(let kind): "credits.\(kind.deed)"
        case .smartBalancePaused: Self.pausedText
        case .webhookTest: Self.testText
        }
    }

    /// Whether it tells of how far training has come, which is told at most once a second, kept for a day, and left out where nobody asks for it by name.
    package var isProgress: Bool {
        if case .item(_, .progress) = self { return true }
        return false
    }
}

extension CreditEntryKind {
    /// What was done, as the type of its event names it.
    fileprivate var deed: String {
        switch self {
        case .grant: "granted"
        case .charge: "charged"
        case .refund: "refunded"
        case .topUp: "topped_up"
        case .revoke: "revoked"
        }
    }
}

/// The members of an item's representation that an event may name as changed.
package enum ItemMember: String, Sendable, CaseIterable {
    /// Its name.
    case name
    /// Where it stands.
    case status
    /// How far its training has come.
    case progress
    /// The link to its portrait.
    case portraitURL = "portrait_url"
    /// The links to its reference images.
    case reference
    /// The words for the trainer.
    case specialInstructions = "special_instructions"
    /// What the owner's program calls it.
    case externalID = "external_id"
    /// The owner's labels.
    case metadata
    /// Whether it goes when its training ends.
    case deleteWhenSettled = "delete_when_settled"
    /// Why training failed.
    case error

    /// The members that differ between two states of one item; its moment of change aside, which always does.
    package static func changed(from before: Pikzonality, to after: Pikzonality) -> [ItemMember] {
        allCases.filter { !$0.isSame(before, after) }
    }

    private func isSame(_ before: Pikzonality, _ after: Pikzonality) -> Bool {
        switch self {
        case .name: before.name == after.name
        case .status: before.status == after.status
        case .progress: before.progress == after.progress
        case .portraitURL: before.portraitToken == after.portraitToken
        case .reference: before.publicReferences == after.publicReferences
        case .specialInstructions: Self.isSame(before.details.specialInstructions, after.details.specialInstructions)
        case .externalID: Self.isSame(before.details.externalID, after.details.externalID)
        case .metadata: before.details.metadata == after.details.metadata
        case .deleteWhenSettled: (before.settlement == nil) == (after.settlement == nil)
        case .error: before.error == after.error
        }
    }

    private static func isSame(_ before: String?, _ after: String?) -> Bool {
        guard let before, let after else { return before == nil && after == nil }
        return before.utf8.elementsEqual(after.utf8)
    }
}

extension Pikzonality {
    /// The reference images that clients can see.
    fileprivate var publicReferences: ReferenceTokens? { status == .completed && !referenceTokens.isEmpty ? referenceTokens : nil }
}

/// One change that a client can see, as everybody is told of it: lists, streams and webhooks alike.
package struct Event: Sendable, Equatable {
    /// What an event tells of.
    package enum Subject: Sendable, Equatable {
        /// An item as it was after the change. What is in the trash shows no links.
        case item(Pikzonality)
        /// An item that is gone for good, whose name and links nobody is told any more.
        case gone(Identifier, Mode)
        /// An endpoint of webhooks.
        case webhook(WebhookNotice)
        /// An entry of the account's ledger.
        case credits(CreditEntry)
        /// What somebody has asked for who pays.
        case smartBalance(SmartBalance)
    }

    /// What tells it from all others, wherever it is told.
    package let id: Identifier
    /// Whose it is.
    package let accountID: Identifier
    /// Counts the events of the account, from 1.
    package let sequence: Int64
    /// What it tells.
    package let type: EventType
    /// When that was.
    package let at: Timestamp
    /// What it tells of.
    package let subject: Subject
    /// What is otherwise than before, as the names of members; empty where everything is, or nothing.
    package let changed: [String]
    /// The request that brought it about; nil for what the service or an operator did.
    package let requestID: String?

    package init(
        id: Identifier, accountID: Identifier, sequence: Int64, type: EventType, at: Timestamp, subject: Subject, changed: [String] = [],
        requestID: String? = nil
    ) {
        self.id = id
        self.accountID = accountID
        self.sequence = sequence
        self.type = type
        self.at = at
        self.subject = subject
        self.changed = changed
        self.requestID = requestID
    }

    /// The item that it tells of; nil for what tells of none.
    package var itemID: Identifier? {
        switch subject {
        case .item(let item): item.id
        case .gone(let id, _): id
        // Whose training an entry is about does not make it one of the item's events, of which each tells how the item is.
        case .webhook, .credits, .smartBalance: nil
        }
    }

    /// The event once its item is gone for good: names and links are told nobody any more.
    package var reduced: Event {
        guard case .item(let item) = subject else { return self }
        return Event(
            id: id, accountID: accountID, sequence: sequence, type: type, at: at, subject: .gone(item.id, item.mode), changed: changed,
            requestID: requestID)
    }

    /// What it holds in memory, about: its own values, and the texts beside them.
    var memoryBytes: Int {
        switch subject {
        case .item(let item):
            Self.fixedBytes + item.details.metadata.bytes.count + (item.details.specialInstructions?.utf8.count ?? 0)
                + (item.details.externalID?.utf8.count ?? 0) + (item.error?.message.utf8.count ?? 0)
        case .gone: Self.fixedBytes
        case .webhook(let notice): Self.fixedBytes + notice.url.utf8.count
        case .credits(let entry): Self.fixedBytes + (entry.note?.utf8.count ?? 0)
        case .smartBalance(let smartBalance): Self.fixedBytes + (smartBalance.pausedReason?.utf8.count ?? 0)
        }
    }

    /// More than an event without texts takes, those that every event has included.
    private static let fixedBytes = 768
}

/// What there is a quota of.
package enum QuotaSubject: String, Sendable, Codable, CaseIterable {
    /// Personas and styles, of every status.
    case items
    /// Bytes of the images that the items were created with.
    case storedBytes
    /// Endpoints of webhooks, whose bound is the same for every account.
    case webhooks
}

/// How much an account may have. What has no bound is nil.
package struct AccountQuota: Sendable, Equatable, Codable {
    /// No bounds at all, as of every new account.
    package static let none = AccountQuota()

    /// How many personas and styles together.
    package let itemsMax: Int?
    /// How many bytes the images of all of them may have together.
    package let storedBytesMax: Int?

    package init(itemsMax: Int? = nil, storedBytesMax: Int? = nil) {
        self.itemsMax = itemsMax
        self.storedBytesMax = storedBytesMax
    }
}

/// What an operator changes of a quota. What is not changed is nil.
package struct QuotaChange: Sendable, Equatable, Codable {
    /// A bound, or that there is none any more.
    package enum Bound: Sendable, Equatable, Codable {
        /// So many and no more; 0 or above.
        case max(Int)
        /// Any number.
        case none

        /// The bound as a quota has it.
        package var max: Int? { if case .max(let max) = self { max } else { nil } }
    }

    /// How many items the account may have from now on.
    package let items: Bound?
    /// How many bytes of images the account may have from now on.
    package let storedBytes: Bound?

    package init(items: Bound? = nil, storedBytes: Bound? = nil) {
        self.items = items
        self.storedBytes = storedBytes
    }

    /// Whether everything stays as it is.
    package var isEmpty: Bool { items == nil && storedBytes == nil }

    /// The change as the audit names it: `items=100 bytes=none`.
    var text: String {
        [("items", items), ("bytes", storedBytes)].compactMap { name, bound in bound.map { "\(name)=\($0.max.map(String.init) ?? "none")" }
        }
        .joined(separator: " ")
    }
}

/// One bound that stands in the way of a create.
package struct QuotaExcess: Sendable, Equatable, Codable {
    /// What there is too little of.
    package let subject: QuotaSubject
    /// How much the account may have.
    package let limit: Int
    /// How much it has.
    package let used: Int
    /// How much would come on top; nil where that was not known yet, because none is left whatever it is.
    package let added: Int?
    /// Whether that is what new images have beyond those whose place they take.
    package let isReplacing: Bool

    package init(_ subject: QuotaSubject, limit: Int, used: Int, added: Int? = nil, isReplacing: Bool = false) {
        self.subject = subject
        self.limit = limit
        self.used = used
        self.added = added
        self.isReplacing = isReplacing
    }

    /// The excess in words that are safe to show to everybody.
    package var text: String {
        switch subject {
        case .items: "\(used) of \(limit) items are used"
        case .webhooks: "\(used) of \(limit) webhooks are used"
        case .storedBytes:
            "\(used) of \(limit) bytes are used"
                + (added.map { ", and these images have \($0)" + (isReplacing ? " more than those that they replace" : "") } ?? "")
        }
    }
}

/// What an account has, and how much it may have.
///
/// The bytes are those of the images that its items were created with, as they are stored. An image counts for each item that has it, though equal
/// images are stored once: what an item takes must not depend on what others have, or whoever deletes one would not know what that gives back. The
/// portrait, which a trainer makes and no client sends, does not count: a training must not fail for what the create was let in with.
package struct AccountUsage: Sendable, Equatable {
    /// How much the account may have.
    package let quota: AccountQuota
    /// How many personas and styles it has.
    package let items: Int
    /// How many bytes of images it has.
    package let storedBytes: Int

    package init(quota: AccountQuota = .none, items: Int = 0, storedBytes: Int = 0) {
        self.quota = quota
        self.items = items
        self.storedBytes = storedBytes
    }

    /// Makes sure that there is room for one item more.
    /// - Parameter bytes: those of its images; nil before they are known, when it is enough that there is room for any.
    /// - Throws: `quotaExceeded`, with all that is used up.
    package func requireRoom(forImageBytes bytes: Int?) throws(Failure) {
        var excesses: [QuotaExcess] = []
        if let max = quota.itemsMax, items >= max { excesses.append(QuotaExcess(.items, limit: max, used: items)) }
        // No image is empty. A quota may have been set below what was there already, hence no sum that could overflow.
        if let max = quota.storedBytesMax, storedBytes >= max || (bytes ?? 1) > max - storedBytes {
            excesses.append(QuotaExcess(.storedBytes, limit: max, used: storedBytes, added: bytes))
        }
        guard excesses.isEmpty else { throw .quotaExceeded(excesses) }
    }

    /// Makes sure that there is room for images that take the place of others. To take no more than those did needs none, whatever the quota is by now.
    /// - Throws: `quotaExceeded`.
    package func requireRoom(forImageBytes bytes: Int, insteadOf replaced: Int) throws(Failure) {
        guard let max = quota.storedBytesMax, bytes > replaced, bytes - replaced > max - storedBytes else { return }
        throw .quotaExceeded([QuotaExcess(.storedBytes, limit: max, used: storedBytes, added: bytes - replaced, isReplacing: true)])
    }
}

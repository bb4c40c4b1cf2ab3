/// What trainings cost, in credits. Nothing costs less than nothing.
package struct CreditPrices: Sendable, Equatable {
    /// That of a persona; 0 or above.
    package let persona: Int
    /// That of a style; 0 or above.
    package let style: Int

    package init(persona: Int, style: Int) {
        self.persona = persona
        self.style = style
    }

    /// What one training of an item of a mode costs.
    package subscript(mode: Mode) -> Int {
        switch mode {
        case .persona: persona
        case .style: style
        }
    }
}

/// A number of credits that somebody names: from 1 to `max`.
package struct CreditAmount: Sendable, Equatable, Codable {
    /// The most that can be named at once.
    package static let max = 1_000_000_000_000
    /// What every amount has to be, in words that are safe to show.
    package static let rule = "must be a whole number from 1 to \(max)"

    /// The number.
    package let value: Int

    /// Takes a number.
    /// - Throws: `invalidAmount` with the name of what it stands for.
    package init(_ value: Int, of field: InputField) throws(Failure) {
        guard (1...Self.max).contains(value) else { throw .invalidAmount(field) }
        self.value = value
    }

    /// Reads a number in decimal digits, as commands and JSON have it.
    /// - Throws: `invalidAmount` for any other text: `1.0`, `1e3` and `+1` are none, because whoever writes them may mean something else.
    package init(_ text: String, of field: InputField) throws(Failure) {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let value = Int(text) else {
            throw .invalidAmount(field)
        }
        try self.init(value, of: field)
    }
}

/// Why an entry stands in a ledger.
package enum CreditEntryKind: String, Sendable, CaseIterable, Codable {
    /// An operator gave credits.
    case grant
    /// A training began.
    case charge
    /// A training that was paid for ended badly, or was cancelled.
    case refund
    /// Credits were bought.
    case topUp = "top_up"
    /// An operator took credits away.
    case revoke
}

/// One entry of an account's ledger. It never changes, and goes only with its account.
package struct CreditEntry: Sendable, Equatable, Codable {
    /// What tells it from all others.
    package let id: Identifier
    /// Whose it is.
    package let accountID: Identifier
    /// Counts the entries of the account, from 1.
    package let number: Int
    /// Why it stands there.
    package let kind: CreditEntryKind
    /// By how much the balance changed: below 0 for `charge` and `revoke`, never 0.
    package let amount: Int
    /// The item whose training it is about; nil for what is about none.
    package let itemID: Identifier?
    /// The operator's or the payment service's own words; nil for none.
    package let note: String?
    /// The balance with it.
    package let balanceAfter: Int
    /// When it was written.
    package let at: Timestamp

    package init(
        id: Identifier, accountID: Identifier, number: Int, kind: CreditEntryKind, amount: Int, itemID: Identifier?, note: String?,
        balanceAfter: Int, at: Timestamp
    ) {
        self.id = id
        self.accountID = accountID
        self.number = number
        self.kind = kind
        self.amount = amount
        self.itemID = itemID
        self.note = note
        self.balanceAfter = balanceAfter
        self.at = at
    }
}

/// What an operator does to a ledger.
package enum CreditAdjustment: Sendable, Equatable {
    /// Gives credits.
    case grant(CreditAmount, note: CreditNote?)
    /// Takes credits away.
    case revoke(CreditAmount, note: CreditNote?)
}

/// What an operator, or a payment service, writes to an entry.
package struct CreditNote: Sendable, Equatable {
    /// Characters of the longest.
    package static let charactersMax = 200

    /// The words.
    package let text: String

    /// Takes words as they are given.
    /// - Throws: `invalid` where they are empty, too long, or hold what no terminal should be shown.
    package init(_ text: String, of field: InputField) throws(Failure) {
        guard !text.isEmpty, !text.holdsMoreScalars(than: Self.charactersMax), !text.unicodeScalars.contains(where: \.isControl) else {
            throw .invalid([Violation(field, "must have 1 to \(Self.charactersMax) characters, none of them a control character")])
        }
        self.text = text
    }

    /// Takes the beginning of words that come from elsewhere: control characters, and the marks that turn the direction of writing around, are replaced.
    /// Nil for an empty text.
    package init?(excerptOf text: String) {
        guard !text.isEmpty else { return nil }
        var excerpt = String.UnicodeScalarView()
        for (count, scalar) in text.unicodeScalars.enumerated() {
            guard count < Self.charactersMax else { break }
            excerpt.append(scalar.isHarmless ? scalar : "\u{fffd}")
        }
        self.text = String(excerpt)
    }
}

/// An account's ledger as its writer keeps it: how it stands, and what comes next. Rules without I/O; stores write down what it says.
package struct CreditLedger: Sendable, Equatable {
    /// The most that operators can bring a balance to. Refunds and what was bought come on top whatever there is: with them a balance stays far below
    /// 2^63, because each is 10^12 at most, and nothing is bought for an account that has more.
    package static let balanceMax = 1_000_000_000_000_000

    /// Whose it is.
    package let accountID: Identifier
    /// The sum of all entries, never below 0.
    package private(set) var balance: Int
    /// How many entries there are, which numbers the next.
    package private(set) var entryCount: Int

    /// Takes a ledger as it stands; one without entries for a new account.
    package init(of accountID: Identifier, balance: Int = 0, entryCount: Int = 0) {
        self.accountID = accountID
        self.balance = balance
        self.entryCount = entryCount
    }

    /// Writes what an operator does.
    /// - Throws: `balanceTooHigh`, `balanceTooLow`.
    package mutating func adjust(_ adjustment: CreditAdjustment, at now: Timestamp) throws(Failure) -> CreditEntry {
        switch adjustment {
        case .grant(let amount, let note):
            guard balance <= Self.balanceMax - amount.value else { throw .balanceTooHigh(balance: balance) }
            return append(.grant, amount.value, note: note?.text, at: now)
        case .revoke(let amount, let note):
            guard balance >= amount.value else { throw .balanceTooLow(balance: balance) }
            return append(.revoke, -amount.value, note: note?.text, at: now)
        }
    }

    /// Charges a training.
    /// - Parameter price: above 0; what costs nothing stands in no ledger.
    /// - Throws: `insufficientCredits`.
    package mutating func charge(_ price: Int, for itemID: Identifier, at now: Timestamp) throws(Failure) -> CreditEntry {
        try requireCovered(price)
        return append(.charge, -price, itemID: itemID, at: now)
    }

    /// Makes sure that there is enough for a training.
    /// - Throws: `insufficientCredits`.
    package func requireCovered(_ price: Int) throws(Failure) {
        guard balance >= price else { throw .insufficientCredits(CreditShortage(price: price, balance: balance)) }
    }

    /// Gives back what a training cost that ended badly.
    package mutating func refund(_ price: Int, for itemID: Identifier, at now: Timestamp) -> CreditEntry {
        append(.refund, price, itemID: itemID, at: now)
    }

    /// Credits what was bought.
    /// - Parameter reference: the payment service's own words for it, if it has any.
    package mutating func topUp(_ amount: CreditAmount, reference: CreditNote?, at now: Timestamp) -> CreditEntry {
        append(.topUp, amount.value, note: reference?.text, at: now)
    }

    private mutating func append(
        _ kind: CreditEntryKind, _ amount: Int, itemID: Identifier? = nil, note: String? = nil, at now: Timestamp
    ) -> CreditEntry {
        balance += amount
        entryCount += 1
        return CreditEntry(
            id: .timeOrdered(at: now), accountID: accountID, number: entryCount, kind: kind, amount: amount, itemID: itemID, note: note,
            balanceAfter: balance, at: now)
    }
}

/// By how much a balance falls short of what is asked for.
package struct CreditShortage: Sendable, Equatable, Codable {
    /// What it costs.
    package let price: Int
    /// What there is.
    package let balance: Int
    /// Whether a top-up is asked for that may cover it, and whose outcome nobody knows yet.
    package let isTopUpAsked: Bool

    package init(price: Int, balance: Int, isTopUpAsked: Bool = false) {
        self.price = price
        self.balance = balance
        self.isTopUpAsked = isTopUpAsked
    }
}

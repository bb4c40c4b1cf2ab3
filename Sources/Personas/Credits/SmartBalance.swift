/// What somebody who pays for an account has asked for: that credits are bought for it whenever it has few.
package struct SmartBalance: Sendable, Equatable, Codable {
    /// Whether anything is bought.
    package enum Status: String, Sendable, CaseIterable, Codable {
        /// Whenever the balance is below the threshold.
        case active
        /// Nothing, because the last time nobody paid. Whoever has mended that resumes it.
        case paused
    }

    /// A balance below this one is few.
    package let threshold: CreditAmount
    /// How many are bought at a time.
    package let amount: CreditAmount
    /// Why nothing is bought at present, in words that are safe to show, at most `TopUpRules.reasonCharactersMax` characters; nil while it is active.
    package let pausedReason: String?

    package init(threshold: CreditAmount, amount: CreditAmount, pausedReason: String? = nil) {
        self.threshold = threshold
        self.amount = amount
        self.pausedReason = pausedReason
    }

    /// Whether anything is bought at present.
    package var status: Status { pausedReason == nil ? .active : .paused }

    /// The same with other numbers: it is active where it was, and paused where it was.
    package func changed(to new: SmartBalance) -> SmartBalance {
        SmartBalance(threshold: new.threshold, amount: new.amount, pausedReason: pausedReason)
    }

    /// Whether a charge that leaves a balance has credits bought.
    package func isWanted(at balance: Int) -> Bool { status == .active && balance < threshold.value }
}

/// How a training comes to be paid for.
package enum CreditCoverage: Sendable, Equatable {
    /// The balance covers it.
    case covered
    /// A top-up is asked for already that may cover it, or stands in the way of one that would.
    case awaited
    /// One would, and is to be asked for.
    case askable(CreditAmount)
    /// None would, or there is nobody who buys any.
    case short
    /// One might, but nothing is bought at present.
    case paused
}

/// How an account stands with its credits.
package struct CreditStanding: Sendable, Equatable {
    /// What there is; never below 0.
    package let balance: Int
    /// When and how many credits are bought for it; nil where none ever are.
    package let smartBalance: SmartBalance?
    /// The top-up that is asked for and whose outcome nobody knows yet; nil for none.
    package let topUp: TopUp?

    package init(balance: Int = 0, smartBalance: SmartBalance? = nil, topUp: TopUp? = nil) {
        self.balance = balance
        self.smartBalance = smartBalance
        self.topUp = topUp
    }

    /// How a training comes to be paid for as things stand, where somebody buys credits.
    package func coverage(of price: Int) -> CreditCoverage {
        guard balance < price else { return .covered }
        let active = smartBalance?.status == .active ? smartBalance?.amount : nil
        if let topUp {
            // Its amount may be another than that of the next, which can be asked for once this one has come to its end.
            return balance + max(topUp.amount.value, active?.value ?? 0) >= price ? .awaited : .short
        }
        guard let smartBalance else { return .short }
        guard let active else { return .paused }
        return balance + smartBalance.amount.value >= price ? .askable(active) : .short
    }
}

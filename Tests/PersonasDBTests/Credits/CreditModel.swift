import Personas

/// One thing that can happen to a few accounts, their items and their credits. Accounts, items and the leases of an item are numbered as they come.
enum CreditStep: Sendable {
    case grant(account: Int, Int)
    case revoke(account: Int, Int)
    /// From here on trainings cost this; nothing where it is nil.
    case prices(CreditPrices?)
    /// - Parameter holder: an item that has the name already; nil for a new name.
    case create(account: Int, Mode, takingNameOf: Int?)
    /// Items of an archive, trained or not.
    case importItems(account: Int, Mode, isTrained: [Bool])
    /// Workers take every job that waits.
    case lease
    case complete(item: Int)
    case fail(item: Int, isPassing: Bool)
    /// A worker reports under a lease that has ended.
    case reportLate(item: Int, lease: Int, isWell: Bool)
    /// No worker is heard of for longer than a lease.
    case leasesRunOut
    /// The service starts anew after it was killed.
    case restart
    case cancel(item: Int)
    case retry(item: Int, isOutdated: Bool)
    case delete(item: Int)
    /// An operator deletes, whatever runs.
    case force(item: Int)
    case settle(item: Int, Settlement)
    case trash(item: Int)
    case restore(item: Int)
    case purge(item: Int)
    /// So much time passes that the trash is emptied.
    case purgeExpired

    /// What it is called where cases are counted.
    var name: String { String("\(self)".prefix { $0 != "(" }) }
}

/// What is said to whoever takes a step.
enum CreditAnswer: Sendable, Hashable {
    case done
    /// Which of several items were created.
    case created([Bool])
    case insufficient, balanceTooLow, nameTaken, notFound, notProcessing, notFailed, stillProcessing, outdated
    /// A report that counts for nothing.
    case late

    /// What it is called where cases are counted.
    var name: String {
        guard case .created(let items) = self else { return "\(self)" }
        return items.allSatisfy(\.self) ? "done" : "insufficient"
    }
}

/// Accounts and their credits as plainly as possible, told without a look at the product: who paid for what, and what was given back.
struct CreditModel: Sendable {
    static let attemptsMax = 2

    /// An entry of a ledger.
    struct Line: Hashable, Sendable {
        let kind: String
        let amount: Int
        let item: Int?
    }

    struct Item: Sendable {
        enum Place { case listed, trashed, gone }
        enum Status { case processing, completed, failed }

        let account: Int
        let mode: Mode
        var place = Place.listed
        var status = Status.processing
        /// What its training cost that has not ended.
        var paid = 0
        var attempts = 0
        var leases = 0
        var isLeased = false
        var wish: Settlement?
    }

    private(set) var items: [Item] = []
    /// The ledgers, the oldest entry first.
    private(set) var ledgers: [[Line]]
    private(set) var prices: CreditPrices?

    /// Whether others may be at work under their leases when a process starts anew, so that it ends none of these.
    private let isShared: Bool

    init(accounts: Int, isShared: Bool) {
        ledgers = Array(repeating: [], count: accounts)
        self.isShared = isShared
    }

    func balance(of account: Int) -> Int { ledgers[account].reduce(0) { $0 + $1.amount } }

    /// Takes a step.
    mutating func take(_ step: CreditStep) -> CreditAnswer {
        switch step {
        case .grant(let account, let amount):
            ledgers[account].append(Line(kind: "grant", amount: amount, item: nil))
            return .done
        case .revoke(let account, let amount):
            guard balance(of: account) >= amount else { return .balanceTooLow }
            ledgers[account].append(Line(kind: "revoke", amount: -amount, item: nil))
            return .done
        case .prices(let prices):
            self.prices = prices
            return .done
        case .create(let account, let mode, let holder):
            if holder != nil { return .nameTaken }
            return create(account, mode, isTrained: false) ? .done : .insufficient
        case .importItems(let account, let mode, let isTrained):
            return .created(isTrained.map { create(account, mode, isTrained: $0) })
        case .lease, .complete, .fail, .reportLate, .leasesRunOut, .restart: return work(step)
        default: return own(step)
        }
    }

    private mutating func create(_ account: Int, _ mode: Mode, isTrained: Bool) -> Bool {
        let price = isTrained ? 0 : price(of: mode)
        guard balance(of: account) >= price else { return false }
        items.append(Item(account: account, mode: mode, status: isTrained ? .completed : .processing))
        charge(price, items.count - 1)
        return true
    }

    private func price(of mode: Mode) -> Int {
        guard let prices else { return 0 }
        return mode == .persona ? prices.persona : prices.style
    }

    private mutating func charge(_ price: Int, _ item: Int) {
        guard price > 0 else { return }
        items[item].paid = price
        ledgers[items[item].account].append(Line(kind: "charge", amount: -price, item: item))
    }

    private mutating func end(_ item: Int, _ status: Item.Status) {
        if status == .failed, items[item].paid > 0 {
            ledgers[items[item].account].append(Line(kind: "refund", amount: items[item].paid, item: item))
        }
        items[item].status = status
        (items[item].paid, items[item].isLeased) = (0, false)
        switch items[item].wish {
        case nil: break
        case .deleted: items[item].place = .gone
        case .trash: items[item].place = .trashed
        }
        items[item].wish = nil
    }

    private mutating func work(_ step: CreditStep) -> CreditAnswer {
        switch step {
        case .lease:
            for item in items.indices where items[item].place == .listed && items[item].status == .processing && !items[item].isLeased {
                items[item].isLeased = true
                items[item].attempts += 1
                items[item].leases += 1
            }
        case .complete(let item): end(item, .completed)
        case .fail(let item, let isPassing):
            if isPassing, items[item].attempts < Self.attemptsMax { items[item].isLeased = false } else { end(item, .failed) }
        case .reportLate: return .late
        case .restart where isShared: break
        default:
            for item in items.indices where items[item].isLeased {
                if items[item].attempts < Self.attemptsMax { items[item].isLeased = false } else { end(item, .failed) }
            }
        }
        return .done
    }

    private mutating func own(_ step: CreditStep) -> CreditAnswer {
        switch step {
        case .cancel(let item):
            guard items[item].place == .listed else { return .notFound }
            guard items[item].status == .processing else { return .notProcessing }
            end(item, .failed)
        case .retry(let item, let isOutdated):
            guard items[item].place == .listed else { return .notFound }
            guard items[item].status == .failed else { return .notFailed }
            if isOutdated { return .outdated }
            let price = price(of: items[item].mode)
            guard balance(of: items[item].account) >= price else { return .insufficient }
            (items[item].status, items[item].attempts) = (.processing, 0)
            charge(price, item)
        case .delete(let item), .trash(let item):
            guard items[item].place == .listed else { return .notFound }
            guard items[item].status != .processing else { return .stillProcessing }
            if case .trash = step { items[item].place = .trashed } else { items[item].place = .gone }
        case .force(let item):
            guard items[item].place == .listed else { return .notFound }
            items[item].wish = .deleted
            if items[item].status == .processing { end(item, .failed) }
            items[item].place = .gone
        case .settle(let item, let settlement):
            guard items[item].place == .listed else { return .notFound }
            if items[item].status == .processing {
                items[item].wish = settlement
            } else {
                items[item].place = settlement == .deleted ? .gone : .trashed
            }
        case .restore(let item), .purge(let item):
            guard items[item].place == .trashed else { return .notFound }
            if case .restore = step { items[item].place = .listed } else { items[item].place = .gone }
        default:
            _ = work(.leasesRunOut)
            for item in items.indices where items[item].place == .trashed { items[item].place = .gone }
        }
        return .done
    }
}

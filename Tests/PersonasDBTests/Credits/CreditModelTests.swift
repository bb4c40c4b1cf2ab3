import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasDB

/// The accounts of a run in a database on disk.
struct CreditsInStore {
    static let policy = LeasePolicy(seconds: 30, attemptsMax: CreditModel.attemptsMax)
    static let trashDays = 30

    /// The storage that is open at the moment.
    var open: OpenStorage
    let accounts: [Identifier]
    private var ids: [Identifier] = []
    private var names: [String] = []
    private var leases: [[LeasedJob]] = []
    /// How many entries of each ledger were looked at.
    private var seen: [Int]

    init(_ open: OpenStorage, accounts: [Identifier]) {
        (self.open, self.accounts) = (open, accounts)
        seen = accounts.map { _ in 0 }
    }

    mutating func take(_ step: CreditStep, pricedAt prices: CreditPrices?, at now: Timestamp) async throws -> CreditAnswer {
        do throws(Failure) {
            switch step {
            case .grant(let account, let amount): try await open.grant(amount, to: accounts[account], at: now)
            case .revoke(let account, let amount): try await open.revoke(amount, from: accounts[account], at: now)
            case .prices: break
            case .create(let account, let mode, let holder): try await create(account, mode, holder, prices, at: now)
            case .importItems(let account, let mode, let isTrained):
                return try await importItems(account, mode, isTrained, prices, at: now)
            case .lease, .complete, .fail, .leasesRunOut, .restart: try await work(step, at: now)
            case .reportLate: return try await reportLate(step, at: now)
            case .retry(let item, let isOutdated): try await retry(item, isOutdated, prices, at: now)
            default: try await own(step, at: now)
            }
            return .done
        } catch {
            return switch error {
            case .insufficientCredits: .insufficient
            case .balanceTooLow: .balanceTooLow
            case .nameTaken: .nameTaken
            case .notFound: .notFound
            case .notProcessing: .notProcessing
            case .notFailed: .notFailed
            case .stillProcessing: .stillProcessing
            case .preconditionFailed: .outdated
            default: throw error
            }
        }
    }

    private mutating func create(
        _ account: Int, _ mode: Mode, _ holder: Int?, _ prices: CreditPrices?, at now: Timestamp
    ) async throws(Failure) {
        let name = holder.map { names[$0] } ?? "Item \(ids.count)"
        let started = try await open.start(name, mode: mode, of: accounts[account], costing: prices, at: now)
        let balance = try await open.balance(of: accounts[account])
        guard started.creditsRemaining == prices.map({ _ in balance }) else { throw .unexpected("The account is told of other credits") }
        add(started.item.id, name)
    }

    private mutating func add(_ id: Identifier, _ name: String) {
        ids.append(id)
        names.append(name)
        leases.append([])
    }

    private mutating func importItems(
        _ account: Int, _ mode: Mode, _ isTrained: [Bool], _ prices: CreditPrices?, at now: Timestamp
    ) async throws(Failure) -> CreditAnswer {
        let images = try open.pinnedImages()
        let given = isTrained.indices.map { "Line \($0) of \(now.milliseconds)" }
        let lines = zip(given, isTrained).enumerated().map { place, line in
            let (name, isTrained) = line
            return ImportedLine(
                line: place + 1,
                item: .success(
                    .credited(name, mode, of: accounts[account], images: images, outcome: isTrained ? .completed : nil)))
        }
        let outcomes = try await open.storage.archives.create(
            lines, of: nil, costing: prices, in: WriteContext(at: now, requestID: "import"))
        var isCreated: [Bool] = []
        for (outcome, name) in zip(outcomes, given) {
            switch outcome.id {
            case .success(let id):
                add(id, name)
                isCreated.append(true)
            case .failure(.insufficientCredits): isCreated.append(false)
            case .failure(let failure): throw failure
            }
        }
        return .created(isCreated)
    }

    private mutating func work(_ step: CreditStep, at now: Timestamp) async throws(Failure) {
        switch step {
        case .lease:
            for job in try await open.jobs.lease(limit: 1_000, policy: Self.policy, at: now) {
                guard let item = ids.firstIndex(of: job.item.id) else { throw .unexpected("A job of no item of this run") }
                leases[item].append(job)
            }
        case .complete(let item):
            guard let job = leases[item].last else { throw .unexpected("An item is not leased") }
            try await open.jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: now)
        case .fail(let item, let isPassing):
            guard let job = leases[item].last else { throw .unexpected("An item is not leased") }
            try await open.jobs.fail(
                job.id, token: job.leaseToken, error: .fixture, retryable: isPassing, policy: Self.policy, at: now)
        case .leasesRunOut: _ = try await open.jobs.expire(policy: Self.policy, at: now)
        default: _ = try await open.jobs.takeOver(policy: Self.policy, at: now)
        }
    }

    private func reportLate(_ step: CreditStep, at now: Timestamp) async throws(Failure) -> CreditAnswer {
        guard case .reportLate(let item, let lease, let isWell) = step else { return .done }
        let job = leases[item][lease]
        do throws(Failure) {
            if isWell {
                try await open.jobs.complete(job.id, token: job.leaseToken, portrait: nil, at: now)
            } else {
                try await open.jobs.fail(job.id, token: job.leaseToken, error: .fixture, retryable: false, policy: Self.policy, at: now)
            }
            return .done
        } catch {
            guard error == .staleLease || error == .notFound else { throw error }
            return .late
        }
    }

    private func retry(_ item: Int, _ isOutdated: Bool, _ prices: CreditPrices?, at now: Timestamp) async throws(Failure) {
        let started = try await open.items.retry(
            ids[item], mode: nil, accountID: nil, with: nil, costing: prices,
            if: isOutdated ? Precondition(demanding: .only([])) : .none, in: WriteContext(at: now, requestID: "retry"))
        let balance = try await open.balance(of: started.item.accountID)
        guard started.creditsRemaining == prices.map({ _ in balance }) else { throw .unexpected("The account is told of other credits") }
    }

    private func own(_ step: CreditStep, at now: Timestamp) async throws(Failure) {
        switch step {
        case .cancel(let item):
            _ = try await open.items.cancel(ids[item], mode: nil, accountID: nil, if: .none, in: WriteContext(at: now))
        case .delete(let item): _ = try await open.items.delete(ids[item], mode: nil, accountID: nil, at: now)
        case .force(let item):
            _ = try await open.items.delete(
                ids[item], mode: nil, accountID: nil, if: .none, endingTraining: true, in: WriteContext(at: now))
        case .settle(let item, let settlement):
            _ = try await open.items.settle(
                ids[item], mode: nil, accountID: try await owner(item), to: settlement, if: .none, in: WriteContext(at: now))
        case .trash(let item):
            _ = try await open.trash.put(ids[item], mode: nil, accountID: try await owner(item), if: .none, in: WriteContext(at: now))
        case .restore(let item):
            _ = try await open.trash.restore(
                ids[item], accountID: nil, change: PikzonalityChange(), if: .none, in: WriteContext(at: now))
        case .purge(let item): _ = try await open.trash.purge(ids[item], accountID: nil, if: .none, in: WriteContext(at: now))
        case .purgeExpired:
            _ = try await open.jobs.expire(policy: Self.policy, at: now)
            while try await open.trash.purgeExpired(at: now, limit: 2) > 0 {}
        default: throw .unexpected("Not an owner's step")
        }
    }

    /// Whose item it is. `notFound` where it is not among the items, as its owner would be told.
    private func owner(_ item: Int) async throws(Failure) -> Identifier {
        for account in accounts where try await isOwner(account, of: item) { return account }
        throw .notFound
    }

    private func isOwner(_ account: Identifier, of item: Int) async throws(Failure) -> Bool {
        do throws(Failure) {
            _ = try await open.items.find(ids[item], mode: nil, accountID: account)
            return true
        } catch {
            guard error == .notFound else { throw error }
            return false
        }
    }

    /// What is otherwise than it has to be of an account after a step; nil where nothing is.
    /// - Parameter lines: what the step has to have written, in any order.
    mutating func fault(_ account: Int, written lines: [CreditModel.Line], balance: Int) async throws -> String? {
        let entries = try await open.ledger(of: accounts[account])
        let new = entries.dropFirst(seen[account]).map { entry in
            CreditModel.Line(kind: entry.kind.rawValue, amount: entry.amount, item: entry.itemID.map { ids.firstIndex(of: $0) ?? -1 })
        }
        seen[account] = entries.count
        guard Self.counted(Array(new)) == Self.counted(lines) else { return "account \(account) got \(new) instead of \(lines)" }
        guard entries.reduce(0, { $0 + $1.amount }) == balance, entries.last?.balanceAfter ?? 0 == balance,
            try await open.balance(of: accounts[account]) == balance
        else { return "account \(account) does not have \(balance)" }
        return nil
    }

    private static func counted(_ lines: [CreditModel.Line]) -> [CreditModel.Line: Int] {
        Dictionary(lines.map { ($0, 1) }, uniquingKeysWith: +)
    }

    /// What is otherwise than it has to be at every moment; nil where nothing is.
    func fault() async throws -> String? {
        let findings = try await open.creditFindingsNow()
        return findings.isEmpty ? nil : "\(findings)"
    }

    /// Whether everything was told that was written, each once and in its order, once a run is over.
    func expectTold() async throws {
        for account in accounts {
            let told = try await open.events(of: account).compactMap { event in
                if case .credits(let entry) = event.subject { entry } else { nil }
            }
            #expect(try await open.ledger(of: account) == told)
        }
    }
}

@Suite("Ledgers against a model", .timeLimit(.minutes(10)))
struct CreditModelTests {
    private static let (stretches, stepsOfStretch) = (3, 60)

    /// A network takes its time with each step.
    private static func runs(on house: House) -> UInt64 { house == .sqlite ? 30 : 5 }

    @Test(
        "Random interleavings of all that moves credits go as in the model, whatever is refused and wherever the service starts anew",
        arguments: House.all)
    func interleavings(on house: House) async throws {
        var (cases, kinds) = (CreditCases(), [String: Int]())
        for seed in 0..<Self.runs(on: house) {
            try await withDataFolder(on: house) { directory in
                var run = CreditRun(seed: seed, at: Timestamp.second(0).milliseconds, isShared: house == .postgres)
                var store: CreditsInStore?
                for stretch in 0..<Self.stretches {
                    // Each stretch opens the folder anew, and takes over what was in hand.
                    try await withStorage(on: house, in: directory) { open in
                        var accounts: [Identifier] = []
                        if store == nil { for number in 0..<CreditRun.accounts { accounts.append(try await open.account("a\(number)")) } }
                        var credits = store ?? CreditsInStore(open, accounts: accounts)
                        credits.open = open
                        try await run.take(Self.stepsOfStretch, in: &credits, beginningWith: stretch == 0 ? nil : .restart)
                        if stretch == Self.stretches - 1 {
                            try await credits.expectTold()
                            for number in 0..<CreditRun.accounts {
                                try await open.accounts.delete(accountNamed: "a\(number)", at: .second(100_000_000))
                            }
                            for table in ["credit_ledger", "credit_entry", "open_charge"] { #expect(try open.count(table) == 0) }
                        }
                        store = credits
                    }
                }
                for line in run.model.ledgers.joined() { kinds[line.kind, default: 0] += 1 }
                cases.counts.merge(run.cases.counts, uniquingKeysWith: +)
            }
        }
        if house == .sqlite { #expect(CreditCases.needed.subtracting(cases.counts.keys).isEmpty) }
        let entries = kinds.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)s" }.joined(separator: ", ")
        print(
            "Ledgers against a model on \(house.testDescription): \(Self.runs(on: house)) seeds, \(cases.steps) steps, \(cases.refusals) refused; \(entries)"
        )
    }

    @Test(
        "Of creates at once as many are charged as the balance covers, of which nothing is lost or made, and no refused one leaves anything",
        arguments: House.all)
    func race(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (account, other) = (try await open.account(), try await open.account("other"))
            try await open.grant(31, to: account)
            try await open.grant(9, to: other)
            let started = try await withThrowingTaskGroup(of: Int?.self) { group in
                for number in 0..<40 {
                    group.addTask {
                        do {
                            return try await open.start("Item \(number)", of: number % 4 == 0 ? other : account).creditsRemaining
                        } catch Failure.insufficientCredits(let shortage) {
                            #expect(shortage.price == 3 && shortage.balance < 3)
                            return nil
                        }
                    }
                }
                return try await group.reduce(into: [Int]()) { if let remaining = $1 { $0.append(remaining) } }
            }
            #expect(started.sorted() == [0] + [1, 3, 4, 6, 7, 10, 13, 16, 19, 22, 25, 28])
            #expect(try await open.balance(of: account) == 1)
            #expect(try await open.balance(of: other) == 0)
            #expect(try open.count("pikzonality") == 13 && open.count("open_charge") == 13)
            #expect(try open.count("credit_entry") == 15)
            #expect(try await open.creditFindingsNow() == [])
        }
    }

    @Test("Cancelled by many at once, a training is given back once", arguments: House.all)
    func cancels(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            try await open.grant(3, to: account)
            let id = try await open.start("Nova", of: account).item.id
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        if number % 2 == 0 {
                            _ = try? await open.items.cancel(
                                id, mode: nil, accountID: account, if: .none, in: WriteContext(at: .second(number)))
                        } else {
                            _ = try? await open.items.delete(
                                id, mode: nil, accountID: account, if: .none, endingTraining: true, in: WriteContext(at: .second(number)))
                        }
                    }
                }
            }
            #expect(try await open.ledger(of: account).map(\.amount) == [3, -3, 3])
            #expect(try await open.balance(of: account) == 3)
            #expect(try open.count("open_charge") == 0 && open.count("pikzonality") == 0)
        }
    }
}

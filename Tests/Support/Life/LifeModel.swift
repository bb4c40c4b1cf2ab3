/// The lives of items as plainly as possible, told without a look at the product: who holds which job until when, and what owners see of it.
package struct LifeModel: Sendable {
    /// Leases that a job gets.
    package static let attemptsMax = 2
    /// How long a lease lasts.
    package static let leaseMilliseconds: Int64 = 30_000
    /// How long a worker is told that its job was cancelled.
    package static let dayMilliseconds: Int64 = 86_400_000

    private enum Fate: Equatable {
        case live, completed, failed, cancelled(at: Int64), forgotten
    }

    private struct Job {
        var item: Int?
        var fate = Fate.live
        var holder: Int?
        var heldUntil: Int64 = 0
        var toBeTold: Int?
        var attempts = 0
        var progress = 0
    }

    /// How each item looks, nil where it is gone.
    package private(set) var items: [LifeView?] = []
    /// What has to have been told.
    package private(set) var events: [LifeEvent] = []
    private var jobs: [Job] = []
    /// The job of each lease.
    private var leases: [Int] = []

    private let isShared: Bool

    /// A world without items.
    /// - Parameter isShared: whether others may be at work under their leases when a process starts anew, so that it ends none of these.
    package init(isShared: Bool) { self.isShared = isShared }

    /// How many leases there were.
    package var leaseCount: Int { leases.count }

    /// The items that a job works for.
    package var liveItems: [Int] { jobs.filter { $0.fate == .live }.compactMap(\.item).sorted() }

    /// Takes a step.
    package mutating func take(_ step: LifeStep, at now: Int64) -> LifeAnswer {
        switch step {
        case .create:
            events.append(LifeEvent(item: items.count, kind: "created"))
            jobs.append(Job(item: items.count))
            items.append(LifeView())
            return .done
        case .lease: return lease(at: now)
        case .heartbeat(let lease, let progress): return heartbeat(lease, progress, at: now)
        case .complete(let lease):
            return report(lease, at: now) { model, job in model.end(job, .completed, at: now) }
        case .fail(let lease, let isPassing):
            return report(lease, at: now) { model, job in
                if isPassing, model.jobs[job].attempts < Self.attemptsMax {
                    model.jobs[job].holder = nil
                } else {
                    model.end(job, .failed, error: "GENERATION_REJECTED", at: now)
                }
            }
        case .handBack(let lease):
            return report(lease, at: now) { model, job in
                model.jobs[job].holder = nil
                model.jobs[job].attempts -= 1
            }
        case .expire: return sweep(leasesUntil: now, at: now)
        case .restart: return sweep(leasesUntil: isShared ? now : .max, at: now)
        case .cancel(let item): return cancel(item, at: now)
        case .retry(let item, let withImages): return retry(item, withImages, at: now)
        case .delete(let item):
            guard let view = items[item] else { return .notFound }
            if view.status == "processing" { return .stillProcessing }
            remove(item, at: now)
            return .done
        case .settle(let item):
            guard let view = items[item] else { return .notFound }
            guard view.status == "processing" else {
                remove(item, at: now)
                return .done
            }
            wish(item, true)
            return .later
        case .wish(let item, let isGone):
            guard let view = items[item] else { return .notFound }
            if isGone { return view.isGoneWhenSettled ? .done : .invalid }
            wish(item, false)
            return .done
        }
    }

    private mutating func lease(at now: Int64) -> LifeAnswer {
        for job in jobs.indices where jobs[job].holder != nil && jobs[job].heldUntil <= now { runOut(job, at: now) }
        guard let job = jobs.firstIndex(where: { $0.fate == .live && $0.holder == nil }), let item = jobs[job].item else { return .nothing }
        jobs[job].holder = leases.count
        jobs[job].heldUntil = now + Self.leaseMilliseconds
        jobs[job].attempts += 1
        leases.append(job)
        return .leased(item: item)
    }

    private mutating func heartbeat(_ lease: Int, _ progress: Int?, at now: Int64) -> LifeAnswer {
        let job = leases[lease]
        if case .cancelled = jobs[job].fate, jobs[job].toBeTold == lease { return .stop }
        return report(lease, at: now) { model, job in
            model.jobs[job].heldUntil = now + Self.leaseMilliseconds
            let reached = min(progress ?? 0, 99)
            guard reached > model.jobs[job].progress, let item = model.jobs[job].item else { return }
            model.jobs[job].progress = reached
            model.items[item]?.progress = reached
            model.items[item]?.version += 1
        }
    }

    private mutating func report(_ lease: Int, at now: Int64, _ body: (inout LifeModel, Int) -> Void) -> LifeAnswer {
        let job = leases[lease]
        if jobs[job].fate == .forgotten { return .notFound }
        guard jobs[job].fate == .live, jobs[job].holder == lease, now < jobs[job].heldUntil else { return .staleLease }
        body(&self, job)
        return .done
    }

    private mutating func runOut(_ job: Int, at now: Int64) {
        if jobs[job].attempts < Self.attemptsMax {
            jobs[job].holder = nil
        } else {
            end(job, .failed, error: "GENERATION_TIMEOUT", at: now)
        }
    }

    private mutating func sweep(leasesUntil end: Int64, at now: Int64) -> LifeAnswer {
        for job in jobs.indices {
            if case .cancelled(let moment) = jobs[job].fate, moment <= now - Self.dayMilliseconds { jobs[job].fate = .forgotten }
            if jobs[job].holder != nil, jobs[job].heldUntil <= end { runOut(job, at: now) }
        }
        return .done
    }

    private mutating func end(_ job: Int, _ fate: Fate, error: String? = nil, at now: Int64) {
        jobs[job].fate = fate
        if case .cancelled = fate { jobs[job].toBeTold = jobs[job].holder }
        jobs[job].holder = nil
        guard let item = jobs[job].item, let view = items[item] else { return }
        if view.isGoneWhenSettled { return remove(item, at: now) }
        if fate == .completed {
            items[item]?.status = "completed"
            items[item]?.progress = 100
            events.append(LifeEvent(item: item, kind: "completed", changed: ["status", "progress", "portrait_url", "reference"]))
        } else {
            items[item]?.status = "failed"
            items[item]?.error = error
            events.append(LifeEvent(item: item, kind: "failed", changed: ["status", "error"]))
        }
        items[item]?.version += 1
    }

    private mutating func remove(_ item: Int, at now: Int64) {
        for job in jobs.indices where jobs[job].item == item {
            jobs[job].item = nil
            if jobs[job].fate == .completed || jobs[job].fate == .failed { jobs[job].fate = .forgotten }
        }
        items[item] = nil
        events.append(LifeEvent(item: item, kind: "deleted"))
    }

    private mutating func cancel(_ item: Int, at now: Int64) -> LifeAnswer {
        guard items[item] != nil else { return .notFound }
        guard let job = jobs.firstIndex(where: { $0.item == item && $0.fate == .live }) else { return .notProcessing }
        end(job, .cancelled(at: now), error: "CANCELLED", at: now)
        return .done
    }

    private mutating func retry(_ item: Int, _ withImages: Bool, at now: Int64) -> LifeAnswer {
        guard var view = items[item] else { return .notFound }
        guard view.status == "failed" else { return .notFailed }
        for job in jobs.indices where jobs[job].item == item {
            jobs[job].item = nil
            if jobs[job].attempts == 0 {
                jobs[job].fate = .forgotten
            } else if jobs[job].fate == .failed {
                jobs[job].fate = .cancelled(at: now)
            }
        }
        jobs.append(Job(item: item))
        events.append(
            LifeEvent(item: item, kind: "retried", changed: view.progress > 0 ? ["status", "progress", "error"] : ["status", "error"]))
        (view.status, view.progress, view.error) = ("processing", 0, nil)
        view.version += 1
        if withImages { view.images += 1 }
        items[item] = view
        return .done
    }

    private mutating func wish(_ item: Int, _ isGone: Bool) {
        guard let view = items[item], view.isGoneWhenSettled != isGone else { return }
        items[item]?.isGoneWhenSettled = isGone
        items[item]?.version += 1
        events.append(LifeEvent(item: item, kind: "updated", changed: ["delete_when_settled"]))
    }
}

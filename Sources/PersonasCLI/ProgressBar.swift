import Personas
import Synchronization

/// A progress bar for work of many steps, shown once it takes over a second and only to a person at a terminal.
struct ProgressBar {
    private let title: String
    private let total: Int
    private let start: ContinuousClock.Instant
    private let isVisible: Bool
    private var isShown = false

    /// Begins work of so many steps.
    /// - Parameter start: when the whole work began, of which this may be a part.
    init(_ title: String, total: Int, start: ContinuousClock.Instant = .now, isVisible: Bool = Output.standardErrorIsTerminal) {
        self.title = title
        self.total = total
        self.start = start
        self.isVisible = isVisible
    }

    /// Shows how many steps are done.
    mutating func show(_ done: Int) {
        guard isVisible, total > 0, isShown || ContinuousClock.now - start > .seconds(1) else { return }
        isShown = true
        Output.status(Self.text(title, done, of: total))
    }

    /// The bar with what is written around it.
    static func text(_ title: String, _ done: Int, of total: Int) -> String {
        let filled = max(0, min(30, done * 30 / max(1, total)))
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
        return "\(title) [\(bar)] \(done)/\(total)"
    }

    /// Takes the bar away.
    func finish() {
        if isShown { Output.status("") }
    }
}

/// A bar for work whose steps tell themselves how far they have come, from any thread and as often as they like.
final class WorkProgressBar: Sendable {
    private struct State {
        var bar: ProgressBar?
        var step = ""
        var total = 0
        var shownAt: ContinuousClock.Instant?
    }

    /// Between two drawings; no operator reads faster.
    private static let pause = Duration.milliseconds(100)

    private let start = ContinuousClock.now
    private let isVisible: Bool
    private let state = Mutex(State())

    /// A bar that nothing was shown on.
    init(isVisible: Bool = Output.standardErrorIsTerminal) {
        self.isVisible = isVisible
    }

    /// Shows how far the work has come.
    func show(_ progress: WorkProgress) {
        guard isVisible else { return }
        state.withLock { state in
            let now = ContinuousClock.now
            if progress.step != state.step || progress.total != state.total {
                state.bar = ProgressBar(progress.step, total: progress.total, start: start, isVisible: true)
                (state.step, state.total, state.shownAt) = (progress.step, progress.total, nil)
            }
            if let shownAt = state.shownAt, now - shownAt < Self.pause, progress.done < progress.total { return }
            state.shownAt = now
            state.bar?.show(progress.done)
        }
    }

    /// Takes the bar away.
    func finish() {
        state.withLock { $0.bar?.finish() }
    }
}

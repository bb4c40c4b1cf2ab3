import CoreMetrics
import Synchronization

/// A number that many threads change and none waits for.
private struct AtomicDouble: ~Copyable {
    private let bits = Atomic<UInt64>(Double.zero.bitPattern)

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

    func add(_ amount: Double) {
        var known = bits.load(ordering: .relaxed)
        while true {
            let sum = Double(bitPattern: known) + amount
            let (isDone, found) = bits.weakCompareExchange(expected: known, desired: sum.bitPattern, ordering: .relaxed)
            if isDone { return }
            known = found
        }
    }
}

/// A number that only rises.
final class CounterSeries: CounterHandler {
    private let count = Atomic<UInt64>(0)

    var value: UInt64 { count.load(ordering: .relaxed) }

    func increment(by amount: Int64) {
        guard amount > 0 else { return }
        count.wrappingAdd(UInt64(amount), ordering: .relaxed)
    }

    func reset() { count.store(0, ordering: .relaxed) }
}

/// A number that only rises, by fractions as well.
final class FloatingPointCounterSeries: FloatingPointCounterHandler {
    private let sum = AtomicDouble()

    var value: Double { sum.value }

    func increment(by amount: Double) {
        guard amount > 0 else { return }
        sum.add(amount)
    }

    func reset() { sum.set(0) }
}

/// A number that rises and falls.
final class GaugeSeries: MeterHandler, RecorderHandler {
    private let number = AtomicDouble()

    var value: Double { number.value }

    func set(_ value: Int64) { number.set(Double(value)) }

    func set(_ value: Double) { number.set(value) }

    func increment(by amount: Double) { number.add(amount) }

    func decrement(by amount: Double) { number.add(-amount) }

    func record(_ value: Int64) { set(value) }

    func record(_ value: Double) { set(value) }
}

/// How many values lay within which bounds, and their sum. Durations are kept in seconds.
final class HistogramSeries: RecorderHandler, TimerHandler {
    /// Bounds that one histogram can have.
    static let boundsMax = 15

    /// The upper bounds, each included, in rising order.
    let bounds: [Double]
    /// Values by the first bound that they do not exceed; those above all bounds stand behind the last.
    private let counts: InlineArray<16, Atomic<UInt64>>
    private let total = AtomicDouble()

    /// - Parameter bounds: at most `boundsMax`, in rising order.
    init(bounds: [Double]) {
        self.bounds = Array(bounds.prefix(Self.boundsMax))
        counts = InlineArray { _ in Atomic(0) }
    }

    /// Counts by bound, as recorded: not yet added up, and one more than there are bounds.
    var countsByBound: [UInt64] { (0...bounds.count).map { counts[$0].load(ordering: .relaxed) } }

    /// The sum of all values.
    var sum: Double { total.value }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        // It lies within no bounds, and would make the sum useless for ever.
        guard !value.isNaN else { return }
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count].wrappingAdd(1, ordering: .relaxed)
        total.add(value)
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
}

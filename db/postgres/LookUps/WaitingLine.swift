/// Who waits, first come, first served. To take one costs the same however many wait.
struct WaitingLine<Element> {
    /// Places that are taken already and still kept, at most.
    private static var takenMax: Int { 1_024 }

    private var elements: [Element] = []
    private var takenCount = 0

    /// How many wait.
    var count: Int { elements.count - takenCount }

    mutating func append(_ element: Element) { elements.append(element) }

    /// The first so many, or all there are.
    mutating func take(_ wanted: Int) -> [Element] {
        let end = takenCount + min(wanted, count)
        defer {
            takenCount = end
            if takenCount == elements.count || takenCount >= Self.takenMax {
                elements.removeFirst(takenCount)
                takenCount = 0
            }
        }
        return Array(elements[takenCount..<end])
    }
}

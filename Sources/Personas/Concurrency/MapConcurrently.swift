/// Transforms a few values side by side; the results stand in the order of the values.
///
/// Each result is put in its place by its index. Collecting the pairs and sorting them by index came out unsorted from the optimiser of Swift 6.3.
func mapConcurrently<Element: Sendable, Value: Sendable>(
    _ elements: [Element], _ transform: @escaping @Sendable (Int, Element) async throws(Failure) -> Value
) async -> [Result<Value, Failure>] {
    await withTaskGroup(of: (Int, Result<Value, Failure>).self) { group in
        for (index, element) in elements.enumerated() {
            group.addTask {
                do throws(Failure) {
                    return (index, .success(try await transform(index, element)))
                } catch {
                    return (index, .failure(error))
                }
            }
        }
        var results: [Result<Value, Failure>?] = Array(repeating: nil, count: elements.count)
        for await (index, result) in group { results[index] = result }
        return results.compactMap { $0 }
    }
}

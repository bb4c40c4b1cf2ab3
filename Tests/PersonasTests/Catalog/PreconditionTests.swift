import Personas
import Testing

@Suite("A precondition")
struct PreconditionTests {
    private static func item(version: Int) -> Pikzonality {
        Pikzonality(
            id: .random(), accountID: .random(), mode: .persona, details: PikzonalityDetails(name: Name(stored: "Nova")),
            status: .processing,
            progress: 0, referenceTokens: ReferenceTokens([]), portraitToken: nil, error: nil, createdAt: Timestamp(milliseconds: 0),
            updatedAt: Timestamp(milliseconds: 0), version: version)
    }

    private static let cases: [(condition: Precondition, version: Int, failing: Precondition.Part?)] = [
        (.none, 1, nil), (.none, 9, nil), (Precondition(demanding: .all), 3, nil), (Precondition(demanding: .only([3])), 3, nil),
        (Precondition(demanding: .only([1, 3])), 3, nil), (Precondition(demanding: .only([2])), 3, .match),
        (Precondition(demanding: .only([])), 3, .match), (Precondition(excluding: .all), 3, .noneMatch),
        (Precondition(excluding: .only([3])), 3, .noneMatch), (Precondition(excluding: .only([2, 4])), 3, nil),
        (Precondition(demanding: .only([3]), excluding: .only([3])), 3, .noneMatch),
        (Precondition(demanding: .only([2]), excluding: .only([3])), 3, .match),
    ]

    @Test("lets an item pass that is what it demands, and says which of its parts another one fails", arguments: cases)
    func require(condition: Precondition, version: Int, failing: Precondition.Part?) {
        let item = Self.item(version: version)
        if let failing {
            #expect(throws: Failure.preconditionFailed(failing)) { try condition.require(item) }
        } else {
            #expect(throws: Never.self) { try condition.require(item) }
        }
    }
}

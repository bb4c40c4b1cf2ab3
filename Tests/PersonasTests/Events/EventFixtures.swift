import Personas

extension Pikzonality {
    /// An item in training, unless told otherwise.
    static func fixture(
        _ name: String = "Nova", id: Identifier = .random(), of accountID: Identifier = .random(), instructions: String? = nil,
        labels: [MetadataMember] = []
    ) -> Pikzonality {
        Pikzonality(
            NewPikzonality(
                id: id, accountID: accountID, mode: .persona,
                details: PikzonalityDetails(
                    name: Name(stored: name), specialInstructions: instructions, metadata: Metadata(labels)), references: []),
            at: Timestamp(milliseconds: 0), referenceTokens: ReferenceTokens((0..<3).map { _ in RandomToken.random() }), portraitToken: nil)
    }
}

extension Event {
    /// An event of an item.
    static func fixture(_ sequence: Int64, _ item: Pikzonality, _ kind: EventKind = .updated) -> Event {
        Event(
            id: .random(), accountID: item.accountID, sequence: sequence, type: .item(item.mode, kind),
            at: Timestamp(milliseconds: sequence),
            subject: kind == .deleted ? .gone(item.id, item.mode) : .item(item))
    }
}

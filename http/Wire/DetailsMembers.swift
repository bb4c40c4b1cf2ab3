package import Personas

extension DetailsDraft {
    /// The members of a create's or a change's body that owners set, as found.
    package init(_ body: JSONObject) {
        self.init(
            name: body.string("name"), specialInstructions: body.string("special_instructions"), externalID: body.string("external_id"),
            metadata: body.labels("metadata"))
    }
}

extension JSONObject {
    /// A member that is to be an object of labels.
    fileprivate func labels(_ name: String) -> JSONField<[MetadataMemberDraft]> {
        switch strings(in: name) {
        case .absent: .absent
        case .null: .null
        case .malformed(let rule): .malformed(rule)
        case .value(let members): .value(members.map { MetadataMemberDraft(key: $0.name, value: $0.value) })
        }
    }
}

extension JSONWriter {
    /// Writes what owners set beside the name, as the published API has it. Every shape of an item has these members together; the name stands elsewhere
    /// in each.
    package mutating func members(_ details: PikzonalityDetails) {
        member("special_instructions", details.specialInstructions)
    }

    /// Writes all that owners set beside the name.
    package mutating func allMembers(_ details: PikzonalityDetails) {
        members(details)
        member("external_id", details.externalID)
        name("metadata")
        object { writer in
            details.metadata.forEach { key, value in writer.member(key, value) }
        }
    }
}

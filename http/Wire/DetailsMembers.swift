package import Personas

extension DetailsDraft {
    /// The members of a create's or a change's body that owners set, as found.
    package init(_ body: JSONObject) {
        self.init(name: body.string("name"), specialInstructions: body.string("special_instructions"))
    }
}

extension JSONWriter {
    /// Writes what owners set beside the name. Every shape of an item has these members together; the name stands elsewhere in each.
    package mutating func members(_ details: PikzonalityDetails) {
        member("special_instructions", details.specialInstructions)
    }
}

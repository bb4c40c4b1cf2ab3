/// What owners set of a persona or style, and see as they set it.
package struct PikzonalityDetails: Sendable, Equatable {
    /// Unique per account and mode, ignoring case.
    package var name: Name
    /// Words for the trainer, if any.
    package var specialInstructions: String?
    /// What the owner's own program calls the item, if it has said so. Unique per account and mode.
    package var externalID: String?
    /// The owner's own labels.
    package var metadata: Metadata

    package init(name: Name, specialInstructions: String? = nil, externalID: String? = nil, metadata: Metadata = .none) {
        self.name = name
        self.specialInstructions = specialInstructions
        self.externalID = externalID
        self.metadata = metadata
    }

    /// Whether all is as it was, to the byte. Swift takes texts for equal that Unicode says look the same, such as an accent and its two-part form;
    /// whoever has sent another has changed something.
    package static func == (left: PikzonalityDetails, right: PikzonalityDetails) -> Bool {
        func isSame(_ left: String?, _ right: String?) -> Bool {
            guard let left, let right else { return left == nil && right == nil }
            return left.utf8.elementsEqual(right.utf8)
        }
        return left.name == right.name && isSame(left.specialInstructions, right.specialInstructions)
            && isSame(left.externalID, right.externalID) && left.metadata == right.metadata
    }
}

/// What a client sends of the details, before any rule is applied. A create and a change send the same.
package struct DetailsDraft: Sendable {
    /// The name.
    package var name: JSONField<String>
    /// The words for the trainer.
    package var specialInstructions: JSONField<String>
    /// What the client's own program calls the item.
    package var externalID: JSONField<String>
    /// The client's own labels, in any order.
    package var metadata: JSONField<[MetadataMemberDraft]>
    /// Whether the item is to go when its training ends: what a change alone may say, and only to take that back.
    package var deleteWhenSettled: JSONField<Bool>

    package init(
        name: JSONField<String>, specialInstructions: JSONField<String>, externalID: JSONField<String> = .absent,
        metadata: JSONField<[MetadataMemberDraft]> = .absent, deleteWhenSettled: JSONField<Bool> = .absent
    ) {
        self.name = name
        self.specialInstructions = specialInstructions
        self.externalID = externalID
        self.metadata = metadata
        self.deleteWhenSettled = deleteWhenSettled
    }

    /// Applies every rule at once.
    /// - Throws: `invalid` with all violations.
    package func checked() throws(Failure) -> PikzonalityChange {
        var violations: [Violation] = []
        let change = checked(requiringName: false, isNew: false, &violations)
        guard violations.isEmpty else { throw .invalid(violations) }
        return change
    }

    /// Applies every rule of a new item at once.
    /// - Returns: the details in normal form.
    /// - Throws: `invalid` with all violations.
    package func checkedAsNew() throws(Failure) -> PikzonalityDetails {
        var violations: [Violation] = []
        let change = checked(requiringName: true, isNew: true, &violations)
        guard violations.isEmpty, let name = change.name else { throw .invalid(violations) }
        return try change.applied(to: PikzonalityDetails(name: name))
    }

    /// Applies every rule at once. What breaks one is left out of the change.
    /// - Parameters:
    ///   - isNameRequired: whether there has to be a name.
    ///   - isNew: whether there is nothing yet that could be taken away, such as a label.
    func checked(requiringName isNameRequired: Bool, isNew: Bool, _ violations: inout [Violation]) -> PikzonalityChange {
        PikzonalityChange(
            name: collecting(&violations) { () throws(Violation) in try name.checkedName(isRequired: isNameRequired) },
            specialInstructions: collecting(&violations) { () throws(Violation) in
                try specialInstructions.checked(as: .specialInstructions, by: SpecialInstructions.validated)
            },
            externalID: collecting(&violations) { () throws(Violation) in
                try externalID.checked(as: .externalID, by: ExternalID.validated)
            },
            metadata: metadata.checkedMetadata(isNew: isNew, &violations),
            deleteWhenSettled: collecting(&violations) { () throws(Violation) in try deleteWhenSettled.checkedFlag(of: .deleteWhenSettled) }
        )
    }
}

/// What is to be set; members that are nil stay as they are.
package struct PikzonalityChange: Sendable, Equatable {
    /// The new name, if it changes.
    package var name: Name?
    /// The new instructions, if they change; the inner nil clears them.
    package var specialInstructions: String??
    /// What the owner's program calls the item from now on, if that changes; the inner nil clears it.
    package var externalID: String??
    /// What becomes of the owner's labels, if they change.
    package var metadata: MetadataChange?
    /// Whether the item goes when its training ends, if that is said: false takes it back.
    package var deleteWhenSettled: Bool?

    /// Changes nothing until its members are set.
    package init(
        name: Name? = nil, specialInstructions: String?? = nil, externalID: String?? = nil, metadata: MetadataChange? = nil,
        deleteWhenSettled: Bool? = nil
    ) {
        self.name = name
        self.specialInstructions = specialInstructions
        self.externalID = externalID
        self.metadata = metadata
        self.deleteWhenSettled = deleteWhenSettled
    }

    /// The details as the change leaves them.
    /// - Throws: `invalid` when what they would become breaks a rule that the change alone does not.
    func applied(to details: PikzonalityDetails) throws(Failure) -> PikzonalityDetails {
        do throws(Violation) {
            return PikzonalityDetails(
                name: name ?? details.name, specialInstructions: specialInstructions ?? details.specialInstructions,
                externalID: externalID ?? details.externalID,
                metadata: try metadata.map { (change) throws(Violation) in try details.metadata.changed(by: change) } ?? details.metadata)
        } catch {
            throw .invalid([error])
        }
    }

    /// What becomes of the item when its training ends, as the change leaves it.
    /// - Throws: `invalid` where the change would have it go that was to stay. To delete is another call, by which no change gets around what that asks.
    func applied(to settlement: Settlement?) throws(Failure) -> Settlement? {
        guard let deleteWhenSettled else { return settlement }
        guard deleteWhenSettled else { return nil }
        guard settlement != nil else {
            throw .invalid([Violation(.deleteWhenSettled, "must be false; DELETE with when=settled asks for it")])
        }
        return settlement
    }

    /// What is set to a text of a client's own words, which may hold a blocked term. Its id and its labels are none: nobody but the client's own
    /// programs ever sees them.
    package var texts: [(field: InputField, text: String?)] {
        [(.name, name?.text), (.specialInstructions, specialInstructions ?? nil)]
    }
}

extension JSONField<Bool> {
    /// A flag, which `null` clears; nil stays as it is.
    fileprivate func checkedFlag(of field: InputField) throws(Violation) -> Bool? {
        switch self {
        case .absent: return nil
        case .null: return false
        case .malformed(let rule): throw Violation(field, rule)
        case .value(let flag): return flag
        }
    }
}

extension JSONField<String> {
    /// A name, which cannot be cleared; nil stays as it is.
    fileprivate func checkedName(isRequired: Bool) throws(Violation) -> Name? {
        switch self {
        case .absent where !isRequired: return nil
        case .absent, .null: throw Violation(.name, isRequired ? "is required" : "must be a string")
        case .malformed(let rule): throw Violation(.name, rule)
        case .value(let raw): return try Name(normalising: raw)
        }
    }

    /// A text that may be cleared: nil stays as it is, the inner nil clears it.
    fileprivate func checked(
        as field: InputField, by rule: (String) throws(Violation) -> String?
    ) throws(Violation) -> String?? {
        switch self {
        case .absent: return nil
        case .null: return .some(nil)
        case .malformed(let rule): throw Violation(field, rule)
        case .value(let raw): return .some(try rule(raw))
        }
    }
}

/// Runs one check; a violation is collected, so that the other checks still run.
private func collecting<Value>(_ violations: inout [Violation], _ check: () throws(Violation) -> Value?) -> Value? {
    do {
        return try check()
    } catch {
        violations.append(error)
        return nil
    }
}

/// What owners set of a persona or style, and see as they set it.
package struct PikzonalityDetails: Sendable, Equatable {
    /// Unique per account and mode, ignoring case.
    package var name: Name
    /// Words for the trainer, if any.
    package var specialInstructions: String?

    package init(name: Name, specialInstructions: String? = nil) {
        self.name = name
        self.specialInstructions = specialInstructions
    }
}

/// What a client sends of the details, before any rule is applied. A create and a change send the same.
package struct DetailsDraft: Sendable {
    /// The name.
    package var name: JSONField<String>
    /// The words for the trainer.
    package var specialInstructions: JSONField<String>

    package init(name: JSONField<String>, specialInstructions: JSONField<String>) {
        self.name = name
        self.specialInstructions = specialInstructions
    }

    /// Applies every rule at once.
    /// - Throws: `invalid` with all violations.
    package func checked() throws(Failure) -> PikzonalityChange {
        var violations: [Violation] = []
        let change = checked(requiringName: false, &violations)
        guard violations.isEmpty else { throw .invalid(violations) }
        return change
    }

    /// Applies every rule at once. What breaks one is left out of the change.
    /// - Parameter isNameRequired: whether the name may not be left as it is, because there is none yet.
    func checked(requiringName isNameRequired: Bool, _ violations: inout [Violation]) -> PikzonalityChange {
        PikzonalityChange(
            name: collecting(&violations) { () throws(Violation) in try name.checkedName(isRequired: isNameRequired) },
            specialInstructions: collecting(&violations) { () throws(Violation) in
                try specialInstructions.checked(as: .specialInstructions, by: SpecialInstructions.validated)
            })
    }
}

/// What is to be set; members that are nil stay as they are.
package struct PikzonalityChange: Sendable, Equatable {
    /// The new name, if it changes.
    package var name: Name?
    /// The new instructions, if they change; the inner nil clears them.
    package var specialInstructions: String??

    /// Changes nothing until its members are set.
    package init(name: Name? = nil, specialInstructions: String?? = nil) {
        self.name = name
        self.specialInstructions = specialInstructions
    }

    /// The details as the change leaves them.
    func applied(to details: PikzonalityDetails) -> PikzonalityDetails {
        PikzonalityDetails(name: name ?? details.name, specialInstructions: specialInstructions ?? details.specialInstructions)
    }

    /// What is set to a text of a client's own words, which may hold a blocked term.
    package var texts: [(field: InputField, text: String?)] {
        [(.name, name?.text), (.specialInstructions, specialInstructions ?? nil)]
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

/// A part of an input, as the domain calls it. Adapters have names of their own for some.
package enum InputField: Sendable, Equatable, Codable {
    /// The name of an item, an account or a reserved name.
    case name
    /// The words for the trainer.
    case specialInstructions
    /// What the client's own program calls an item.
    case externalID
    /// The client's own labels.
    case metadata
    /// Whether an item goes when its training ends.
    case deleteWhenSettled
    /// The reference images as addresses.
    case imageURLs
    /// The reference images as base64.
    case imageBase64s
    /// The reference images as the files of a form.
    case imageFiles
    /// The portrait that a trainer made, as base64.
    case portrait
    /// How far training has come.
    case progress
    /// What a client names a POST by.
    case idempotencyKey
    /// What an operator recognises a key by.
    case label
    /// An account, by its name.
    case account
    /// The id of a key or an item.
    case id
    /// What no text may hold.
    case term
    /// What clients are told to wait.
    case retryAfter
    /// When a key ends.
    case expires
    /// How long a key's old secret stays good beside the new one.
    case overlap
    /// What only the adapter knows that reads it, by the adapter's own name.
    case own(String)

    /// What the field is called in forms that people write, such as seed files: its name wherever an adapter has no other.
    package var plainName: String {
        switch self {
        case .name: "name"
        case .specialInstructions: "special_instructions"
        case .externalID: "external_id"
        case .metadata: "metadata"
        case .deleteWhenSettled: "delete_when_settled"
        case .imageURLs: "image_urls"
        case .imageBase64s: "image_base64s"
        case .imageFiles: "image"
        case .portrait: "portrait"
        case .progress: "progress"
        case .idempotencyKey: "idempotency_key"
        case .label: "label"
        case .account: "account"
        case .id: "id"
        case .term: "term"
        case .retryAfter: "retry_after"
        case .expires: "expires"
        case .overlap: "overlap"
        case .own(let name): name
        }
    }
}

/// One broken rule of an input.
package struct Violation: Error, Sendable, Equatable, Codable {
    /// What is wrong.
    package enum Rule: Sendable, Equatable, Codable {
        /// What the field must or must not be: "must not be empty".
        case field(String)
        /// The same of one element of the field, counted from 0.
        case element(Int, String)
        /// The same of one of several texts, which is quoted.
        case text(String, String)
        /// Reference images were given neither as addresses nor as base64.
        case imagesMissing
        /// Reference images were given as addresses and as base64.
        case imagesGivenTwice
        /// A sentence of the adapter that reads the field, complete in itself.
        case sentence(String)
    }

    /// What breaks the rule.
    package let field: InputField
    /// The rule.
    package let rule: Rule

    package init(_ field: InputField, _ rule: Rule) {
        self.field = field
        self.rule = rule
    }

    /// Says what a field must or must not be.
    package init(_ field: InputField, _ rule: String) {
        self.init(field, .field(rule))
    }

    /// Says what a field of an adapter must or must not be.
    package init(_ field: String, _ rule: String) {
        self.init(.own(field), .field(rule))
    }

    /// Says a whole sentence about a field of an adapter.
    package init(field: String, message: String) {
        self.init(.own(field), .sentence(message))
    }

    /// The same with the text quoted that breaks the rule, for a field that stands for each of several texts.
    package func quoting(_ text: String) -> Violation {
        guard case .field(let rule) = rule else { return self }
        return Violation(field, .text(text, rule))
    }

    /// The rule in words for a person, complete in itself: "name must not be empty".
    /// - Parameter name: what the adapter that says it calls a field.
    package func message(naming name: (InputField) -> String) -> String {
        let images = "\(name(.imageURLs)) or \(name(.imageBase64s))"
        return switch rule {
        case .field(let rule): "\(name(field)) \(rule)"
        case .element(let index, let rule): "\(name(field))[\(index)] \(rule)"
        case .text(let text, let rule): "\(text.debugDescription): \(name(field)) \(rule)"
        case .imagesMissing: "Provide \(images) with exactly \(Limits.referenceImages) images"
        case .imagesGivenTwice: "Provide either \(images), not both"
        case .sentence(let sentence): sentence
        }
    }
}

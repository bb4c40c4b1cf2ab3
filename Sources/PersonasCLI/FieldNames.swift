import Personas

extension InputField {
    /// What an operator knows the field by: a member of a seed file, an option, or a word.
    var commandName: String {
        switch self {
        case .name: "name"
        case .specialInstructions: "special_instructions"
        case .imageURLs: "image URLs"
        case .imageBase64s: "images"
        case .portrait: "portrait"
        case .progress: "progress"
        case .idempotencyKey: "idempotency key"
        case .label: "label"
        case .account: "account"
        case .id: "id"
        case .retryAfter: "--retry-after"
        case .own(let name): name
        }
    }
}

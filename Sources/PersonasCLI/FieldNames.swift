import Personas

extension InputField {
    /// What an operator knows the field by: a member of a seed file, an option, or a word.
    var commandName: String {
        switch self {
        case .imageURLs: "image URLs"
        case .imageBase64s: "images"
        case .idempotencyKey: "idempotency key"
        case .retryAfter: "--retry-after"
        case .expires: "--expires"
        case .overlap: "--overlap"
        default: plainName
        }
    }
}

import Personas

extension InputField {
    /// What an operator knows the field by: the option, or what stands in `--help` for the argument. Commands that differ say so where they word a failure.
    var commandName: String {
        switch self {
        case .name: "NAME"
        case .id: "ID"
        case .account: "--account"
        case .label: "--label"
        case .specialInstructions: "--instructions"
        case .externalID: "--external-id"
        case .metadata: "--metadata"
        case .imageURLs: "image URLs"
        case .imageBase64s: "images"
        case .idempotencyKey: "idempotency key"
        case .retryAfter: "--retry-after"
        case .expires: "--expires"
        case .overlap: "--overlap"
        default: plainName
        }
    }

    /// What the writer of a seed knows the field by: the member.
    var seedName: String {
        switch self {
        case .imageURLs, .imageBase64s: "images"
        default: plainName
        }
    }
}

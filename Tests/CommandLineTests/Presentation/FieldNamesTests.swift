import Personas
import Testing

@testable import PersonasCLI

@Suite("Fields in messages")
struct FieldNamesTests {
    @Test("Broken rules are told with the names that operators know")
    func names() {
        for (violation, message) in [
            (Violation(.retryAfter, "must be from 1 to 9 seconds"), "--retry-after must be from 1 to 9 seconds"),
            (Violation(.imageBase64s, "must hold exactly 3 images"), "images must hold exactly 3 images"),
            (Violation(.specialInstructions, "must not hold control characters"), "--instructions must not hold control characters"),
            (Violation(.name, "must not be empty").quoting(" "), "\" \": NAME must not be empty"),
            (Violation(field: "seed", message: "x.json is not a JSON object"), "x.json is not a JSON object"),
        ] {
            #expect(CommandFailure(Failure.invalid([violation])).message == message)
        }
    }
}

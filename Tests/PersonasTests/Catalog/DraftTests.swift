import Personas
import Testing

@Suite("Drafts of a create")
struct CreateDraftTests {
    /// How one of the two arrays of images comes.
    enum Form: CaseIterable {
        case absent, null, empty, two, three, four, malformed

        var count: Int? {
            switch self {
            case .absent, .null, .malformed: nil
            case .empty: 0
            case .two: 2
            case .three: 3
            case .four: 4
            }
        }

        func member<Element: Sendable>(_ element: (Int) -> Element) -> JSONField<[Element]> {
            switch self {
            case .absent: .absent
            case .null: .null
            case .malformed: .malformed("must be an array of strings")
            case .empty, .two, .three, .four: .value((0..<(count ?? 0)).map(element))
            }
        }
    }

    static let neither = Violation(.imageURLs, .imagesMissing)
    static let both = Violation(.imageURLs, .imagesGivenTwice)

    static func draft(
        name: JSONField<String> = .value("Creator Studio"),
        imageURLs: JSONField<[String]> = .absent,
        imageBase64s: JSONField<[ArraySlice<UInt8>]> = .absent,
        specialInstructions: JSONField<String> = .absent
    ) -> CreateDraft {
        CreateDraft(
            details: DetailsDraft(name: name, specialInstructions: specialInstructions), imageURLs: imageURLs, imageBase64s: imageBase64s)
    }

    static func draft(urls: [String]) -> CreateDraft { draft(imageURLs: .value(urls)) }

    @Test("Exactly one of the two arrays, with exactly three images", arguments: Form.allCases, Form.allCases)
    func arrays(urls: Form, base64s: Form) throws {
        let draft = Self.draft(
            imageURLs: urls.member { "https://images.example/\($0).png" }, imageBase64s: base64s.member { ArraySlice("AAA\($0)".utf8) })
        let nothing: [Form] = [.absent, .null]
        switch (nothing.contains(urls), nothing.contains(base64s)) {
        case (true, true):
            #expect(throws: Failure.invalid([Self.neither])) { try draft.checked(acceptingPlainHTTP: false) }
        case (false, false):
            #expect(throws: Failure.invalid([Self.both])) { try draft.checked(acceptingPlainHTTP: false) }
        case (false, true):
            try Self.expect(draft, field: .imageURLs, form: urls, images: (0..<3).map { "https://images.example/\($0).png" })
        case (true, false):
            try Self.expect(draft, field: .imageBase64s, form: base64s, images: ["AAA0", "AAA1", "AAA2"])
        }
    }

    private static func expect(_ draft: CreateDraft, field: InputField, form: Form, images: [String]) throws {
        switch form {
        case .malformed:
            #expect(throws: Failure.invalid([Violation(field, "must be an array of strings")])) {
                try draft.checked(acceptingPlainHTTP: false)
            }
        case .three:
            let checked = try draft.checked(acceptingPlainHTTP: false)
            #expect(checked.images.field == field)
            #expect(checked.images.sources.map(text(of:)) == images)
        default:
            #expect(throws: Failure.invalid([Violation(field, "must hold exactly 3 images")])) {
                try draft.checked(acceptingPlainHTTP: false)
            }
        }
    }

    private static func text(of source: ImageSource) -> String {
        switch source {
        case .url(let url): url
        case .base64(let text): String(decoding: text.take(), as: UTF8.self)
        case .file(let file): String(decoding: file.take(), as: UTF8.self)
        case .oversizedFile: "too large"
        }
    }

    @Test("A right create comes out checked, in normal form")
    func checked() throws {
        let urls = (0..<3).map { "https://images.example/\($0).png" }
        for (sent, kept) in [
            (.absent, nil), (.null, nil), (.value(""), nil), (.value("Always smiling"), "Always smiling"),
        ] as [(JSONField<String>, String?)] {
            let checked = try Self.draft(name: .value("  Creator \t Studio "), imageURLs: .value(urls), specialInstructions: sent)
                .checked(acceptingPlainHTTP: false)
            #expect(checked.details.name.text == "Creator Studio")
            #expect(checked.details.specialInstructions == kept)
        }
    }

    @Test(
        "The name is required and a string",
        arguments: [
            (JSONField<String>.absent, "is required"),
            (.null, "is required"),
            (.malformed("must be a string"), "must be a string"),
            (.value("  "), "must not be empty"),
            (.value("a.b"), NameTests.wrongCharacters),
            (.value("abcdefghijklmnopqrstuvwxyz"), NameTests.tooLong),
        ])
    func name(member: JSONField<String>, message: String) {
        let urls = (0..<3).map { "https://images.example/\($0).png" }
        #expect(throws: Failure.invalid([Violation(.name, message)])) {
            try Self.draft(name: member, imageURLs: .value(urls)).checked(acceptingPlainHTTP: false)
        }
    }

    @Test("All violations are reported at once: name, special instructions, then images in their order")
    func allAtOnce() {
        let notHTTPS = "must be an https URL without white space"
        #expect(
            throws: Failure.invalid([
                Violation(.name, "is required"),
                Violation(.specialInstructions, "must be a string"),
                Violation(.imageURLs, .element(0, notHTTPS)),
                Violation(.imageURLs, .element(2, notHTTPS)),
            ])
        ) {
            try Self.draft(
                name: .absent, imageURLs: .value(["http://a.example/0", "https://a.example/1", ""]),
                specialInstructions: .malformed("must be a string")
            ).checked(acceptingPlainHTTP: false)
        }
        #expect(
            throws: Failure.invalid([
                Violation(.name, NameTests.wrongCharacters), SpecialInstructionsTests.tooLong, Self.neither,
            ])
        ) {
            try Self.draft(name: .value("é"), specialInstructions: .value(String(repeating: "x", count: 301)))
                .checked(acceptingPlainHTTP: false)
        }
        #expect(
            throws: Failure.invalid([Violation(.name, NameTests.tooLong), SpecialInstructionsTests.control, Self.both])
        ) {
            try Self.draft(
                name: .value(String(repeating: "x", count: 26)), imageURLs: .value([]), imageBase64s: .value([]),
                specialInstructions: .value("\u{0}")
            ).checked(acceptingPlainHTTP: false)
        }
    }

    @Test("A wrong number of URLs does not hide what is wrong with them, and a long array makes no long answer")
    func wrongNumberAndWrongForm() {
        let number = Violation(.imageURLs, "must hold exactly 3 images")
        let wrong = (0..<3).map { Violation(.imageURLs, .element($0, "must be an https URL without white space")) }
        #expect(throws: Failure.invalid([number, wrong[1]])) {
            try Self.draft(urls: ["https://a.example/0", "ftp://a.example/1"]).checked(acceptingPlainHTTP: false)
        }
        #expect(throws: Failure.invalid([number] + wrong)) {
            try Self.draft(urls: [String](repeating: "x", count: 4_096)).checked(acceptingPlainHTTP: false)
        }
    }

    @Test(
        "An https URL without white space is taken as it is",
        arguments: [
            "https://a",
            "https://images.example/portrait.png",
            "https://images.example:8443/a?b=c&d=e%20f#g",
            "https://images.example/ü/😀.png",
            "https://user:secret@images.example/",
            "https://127.0.0.1/",
            "https://bucket.s3.example/k?X-Amz-Security-Token=" + String(repeating: "Ab%2F9", count: 330),
            "https://images.example/" + String(repeating: "x", count: 8_192 - 23),
        ])
    func acceptedURLs(url: String) throws {
        for acceptingPlainHTTP in [false, true] {
            let checked = try Self.draft(urls: [url, url, url]).checked(acceptingPlainHTTP: acceptingPlainHTTP)
            #expect(checked.images.sources.map(Self.text(of:)) == [url, url, url])
        }
    }

    @Test(
        "Any other URL is refused, and its place is named",
        arguments: [
            "",
            "https://",
            "https:/a.example/",
            "https:a.example",
            "HTTPS://a.example/",
            " https://a.example/",
            "https://a.example/ ",
            "https://a.example/\n",
            "https://a.example/a b",
            "https://a.example/a\tb",
            "https://a.example/a\r\nb",
            "https://a.example/a\u{A0}b",
            "https://a.example/a\u{3000}b",
            "https://a.example/a\u{2028}b",
            "https://a.example/a \u{301}b",
            "https://a.example/a\u{600} b",
            "https:// a.example/",
            "//a.example/",
            "a.example/portrait.png",
            "ftp://a.example/",
            "file:///etc/passwd",
            "data:image/png;base64,AAAA",
            "javascript:alert(1)",
            "x https://a.example/",
        ], [false, true])
    func refusedURLs(url: String, acceptingPlainHTTP: Bool) {
        let good = "https://a.example/"
        for index in 0..<3 {
            var urls = [good, good, good]
            urls[index] = url
            let violation = Violation(.imageURLs, .element(index, "must be an https URL without white space"))
            #expect(throws: Failure.invalid([violation])) { try Self.draft(urls: urls).checked(acceptingPlainHTTP: acceptingPlainHTTP) }
        }
    }

    @Test("A URL over 8,192 bytes is refused")
    func tooLongURL() {
        let long = "https://images.example/" + String(repeating: "x", count: 8_193 - 23)
        let violation = Violation(.imageURLs, .element(1, "must be at most 8192 characters long"))
        #expect(throws: Failure.invalid([violation])) {
            try Self.draft(urls: ["https://a", long, "https://a"]).checked(acceptingPlainHTTP: false)
        }
    }

    @Test("A URL is looked at for its scheme first, for its length next, and for white space last")
    func orderOfRules() {
        let long = "s.example/" + String(repeating: " ", count: 8_192)
        for (url, rule) in [
            ("https://" + long, "must be at most 8192 characters long"), ("ftp://" + long, "must be an https URL without white space"),
            ("https://" + long.prefix(8_184), "must be an https URL without white space"),
        ] {
            #expect(throws: Failure.invalid([Violation(.imageURLs, .element(0, rule))])) {
                try Self.draft(urls: [url, "https://a", "https://a"]).checked(acceptingPlainHTTP: false)
            }
        }
    }

    @Test("Plain http is taken only where the operator accepts it", arguments: ["http://127.0.0.1:8080/a.png", "http://a"])
    func plainHTTP(url: String) throws {
        let draft = Self.draft(urls: [url, "https://a", url])
        #expect(try draft.checked(acceptingPlainHTTP: true).images.sources.map(Self.text(of:)) == [url, "https://a", url])
        #expect(
            throws: Failure.invalid(
                [0, 2].map { Violation(.imageURLs, .element($0, "must be an https URL without white space")) })
        ) { try draft.checked(acceptingPlainHTTP: false) }
        for broken in ["http://", "http:// a", "HTTP://a"] {
            #expect(throws: Failure.self) { try Self.draft(urls: [broken, "https://a", url]).checked(acceptingPlainHTTP: true) }
        }
    }
}

@Suite("Drafts of a change")
struct DetailsDraftTests {
    /// What a change of the instructions comes to; the inner nil clears them.
    @Test(
        "Absent leaves the instructions, null and an empty text clear them, a text replaces them",
        arguments: [
            (JSONField<String>.absent, String??.none),
            (.null, .some(nil)),
            (.value(""), .some(nil)),
            (.value("x"), .some("x")),
            (.value(String(repeating: "x", count: 300)), .some(String(repeating: "x", count: 300))),
        ])
    func instructions(member: JSONField<String>, expected: String??) throws {
        let change = try DetailsDraft(name: .absent, specialInstructions: member).checked()
        #expect(change == PikzonalityChange(name: nil, specialInstructions: expected))
        // Equality of nested optionals is easily got wrong, so the two kinds of nil are told apart by hand as well.
        switch (change.specialInstructions, expected) {
        case (.none, .none), (.some(.none), .some(.none)), (.some(.some), .some(.some)): break
        default: Issue.record("\(String(describing: change.specialInstructions)) instead of \(String(describing: expected))")
        }
    }

    @Test("An empty change changes nothing")
    func nothing() throws {
        #expect(try DetailsDraft(name: .absent, specialInstructions: .absent).checked() == PikzonalityChange())
    }

    @Test("A name is changed under the rules of create, and cannot be cleared")
    func name() throws {
        let change = try DetailsDraft(name: .value("  New   Name "), specialInstructions: .absent).checked()
        #expect(change == PikzonalityChange(name: Name(stored: "New Name")))
        for (member, message) in [
            (.null, "must be a string"), (.malformed("must be a string"), "must be a string"), (.value(""), NameTests.empty),
            (.value("é"), NameTests.wrongCharacters), (.value(String(repeating: "x", count: 26)), NameTests.tooLong),
        ] as [(JSONField<String>, String)] {
            #expect(throws: Failure.invalid([Violation(.name, message)])) {
                try DetailsDraft(name: member, specialInstructions: .value("x")).checked()
            }
        }
    }

    @Test("All violations are reported at once")
    func violations() {
        for (member, violation) in [
            (.value(String(repeating: "x", count: 301)), SpecialInstructionsTests.tooLong),
            (.value("\u{1B}"), SpecialInstructionsTests.control),
            (.malformed("must be a string or null"), Violation(.specialInstructions, "must be a string or null")),
        ] as [(JSONField<String>, Violation)] {
            #expect(throws: Failure.invalid([violation])) { try DetailsDraft(name: .absent, specialInstructions: member).checked() }
            #expect(throws: Failure.invalid([Violation(.name, "must not be empty"), violation])) {
                try DetailsDraft(name: .value(" "), specialInstructions: member).checked()
            }
        }
    }
}

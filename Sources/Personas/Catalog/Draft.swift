/// One field of an input as it was found, before any rule is applied. Whether something is missing, empty or of another type is told apart by
/// rules of the domain, so this stands here, though JSON alone has all four.
package enum JSONField<Value: Sendable>: Sendable {
    /// Not in the input.
    case absent
    /// In the input as `null`.
    case null
    /// Of the right type.
    case value(Value)
    /// Of another type; the rule in words: "must be a string".
    case malformed(String)
}

/// What a client asks to be created.
package struct CreateDraft: Sendable {
    /// What the owner sets.
    package var details: DetailsDraft
    /// The reference images as addresses.
    package var imageURLs: JSONField<[String]>
    /// The reference images as base64.
    package var imageBase64s: JSONField<[ImageText]>

    /// Takes the fields as found, images in base64 as the ASCII bytes that were sent.
    package init(details: DetailsDraft, imageURLs: JSONField<[String]>, imageBase64s: JSONField<[ArraySlice<UInt8>]>) {
        self.details = details
        self.imageURLs = imageURLs
        self.imageBase64s =
            switch imageBase64s {
            case .absent: .absent
            case .null: .null
            case .malformed(let rule): .malformed(rule)
            case .value(let texts): .value(texts.map { ImageText($0) })
            }
    }
}

/// A create whose form is right; its images are not looked at yet.
package struct CheckedDraft: Sendable {
    /// The details in normal form.
    package let details: PikzonalityDetails
    /// What of them is the client's own words.
    package let texts: [(field: InputField, text: String?)]
    /// The field that carried the images.
    package let imageField: InputField
    /// The images in their order.
    package let images: [ImageSource]
}

extension CreateDraft {
    /// Applies every rule of form at once.
    /// - Throws: `invalid` with all violations.
    package func checked(acceptingPlainHTTP: Bool) throws(Failure) -> CheckedDraft {
        var violations: [Violation] = []
        let change = details.checked(requiringName: true, &violations)
        let images = checkedImages(acceptingPlainHTTP: acceptingPlainHTTP, &violations)
        guard violations.isEmpty, let name = change.name, let images else { throw .invalid(violations) }
        return CheckedDraft(
            details: try change.applied(to: PikzonalityDetails(name: name)), texts: change.texts, imageField: images.field,
            images: images.sources)
    }

    private func checkedImages(acceptingPlainHTTP: Bool, _ violations: inout [Violation]) -> (field: InputField, sources: [ImageSource])? {
        switch (imageURLs, imageBase64s) {
        case (.absent, .absent), (.null, .null), (.absent, .null), (.null, .absent):
            violations.append(Violation(.imageURLs, .imagesMissing))
            return nil
        case (.malformed(let rule), .absent), (.malformed(let rule), .null):
            violations.append(Violation(.imageURLs, rule))
            return nil
        case (.absent, .malformed(let rule)), (.null, .malformed(let rule)):
            violations.append(Violation(.imageBase64s, rule))
            return nil
        case (.value(let urls), .absent), (.value(let urls), .null):
            violations += Self.violations(of: urls, acceptingPlainHTTP: acceptingPlainHTTP)
            return (.imageURLs, urls.map(ImageSource.url))
        case (.absent, .value(let texts)), (.null, .value(let texts)):
            if texts.count != Limits.referenceImages {
                violations.append(Violation(.imageBase64s, "must hold exactly \(Limits.referenceImages) images"))
            }
            return (.imageBase64s, texts.map(ImageSource.base64))
        case (.value, .value), (.value, .malformed), (.malformed, .value), (.malformed, .malformed):
            violations.append(Violation(.imageURLs, .imagesGivenTwice))
            return nil
        }
    }

    /// The rule that an address breaks, if any.
    ///
    /// Looked at by bytes and scalars, because comparing texts takes Swift time quadratic in a run of combining marks; and for its length
    /// before for white space, because it may be as long as the body.
    private static func rule(brokenBy url: String, acceptingPlainHTTP: Bool) -> String? {
        let noWebAddress = "must be an https URL without white space"
        let schemes = acceptingPlainHTTP ? ["https://", "http://"] : ["https://"]
        guard let scheme = schemes.first(where: { url.utf8.starts(with: $0.utf8) }) else { return noWebAddress }
        guard url.utf8.count <= Limits.imageURLCharactersMax else {
            return "must be at most \(Limits.imageURLCharactersMax) characters long"
        }
        let rest = url.unicodeScalars.dropFirst(scheme.utf8.count)
        return rest.isEmpty || rest.contains(where: \.isWhiteSpace) ? noWebAddress : nil
    }

    private static func violations(of urls: [String], acceptingPlainHTTP: Bool) -> [Violation] {
        // Of too many only the first are looked at, so that a long array does not make a long answer.
        var violations = urls.prefix(Limits.referenceImages).enumerated().compactMap { index, url in
            rule(brokenBy: url, acceptingPlainHTTP: acceptingPlainHTTP).map { rule in
                Violation(.imageURLs, .element(index, rule))
            }
        }
        if urls.count != Limits.referenceImages {
            violations.insert(Violation(.imageURLs, "must hold exactly \(Limits.referenceImages) images"), at: 0)
        }
        return violations
    }
}

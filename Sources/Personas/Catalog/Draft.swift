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
    /// The reference images as they came, before any rule is applied.
    private enum Images: Sendable {
        /// As members, of which one is to be given.
        case members(urls: JSONField<[String]>, base64s: JSONField<[ImageText]>)
        /// As files, none where none came.
        case files([ImageSource])
    }

    /// What the owner sets.
    package var details: DetailsDraft
    private let images: Images

    /// Takes the fields as found, images in base64 as the ASCII bytes that were sent.
    package init(details: DetailsDraft, imageURLs: JSONField<[String]>, imageBase64s: JSONField<[ArraySlice<UInt8>]>) {
        self.details = details
        let texts: JSONField<[ImageText]> =
            switch imageBase64s {
            case .absent: .absent
            case .null: .null
            case .malformed(let rule): .malformed(rule)
            case .value(let texts): .value(texts.map { ImageText($0) })
            }
        images = .members(urls: imageURLs, base64s: texts)
    }

    /// Takes the fields as found, and the images as files.
    package init(details: DetailsDraft, imageFiles: [ImageSource]) {
        self.details = details
        images = .files(imageFiles)
    }

    /// How many bytes the rules of form look at, of those that the request holds: files are looked at later.
    func formBytes(ofHeld heldBytes: Int) -> Int {
        guard case .files(let files) = images else { return heldBytes }
        return files.reduce(heldBytes) { count, source in
            guard case .file(let file) = source else { return count }
            return count - file.byteCount
        }
    }
}

/// Reference images in the right number; they are not looked at yet.
package struct CheckedImages: Sendable {
    /// The field that carried them.
    package let field: InputField
    /// The images in their order.
    package let sources: [ImageSource]
}

/// A create whose form is right.
package struct CheckedDraft: Sendable {
    /// The details in normal form.
    package let details: PikzonalityDetails
    /// What of them is the client's own words.
    package let texts: [(field: InputField, text: String?)]
    /// The images.
    package let images: CheckedImages
}

/// What is given of a create, whose form is right as far as it goes.
package struct PartialDraft: Sendable {
    /// The details that are given, in normal form.
    package let change: PikzonalityChange
    /// The images, if any are given.
    package let images: CheckedImages?
}

extension CreateDraft {
    /// Applies every rule of form at once.
    /// - Throws: `invalid` with all violations.
    package func checked(acceptingPlainHTTP: Bool) throws(Failure) -> CheckedDraft {
        var violations: [Violation] = []
        let change = details.checked(requiringName: true, isNew: true, &violations)
        let images = checkedImages(requiring: true, acceptingPlainHTTP: acceptingPlainHTTP, &violations)
        guard violations.isEmpty, let name = change.name, let images else { throw .invalid(violations) }
        return CheckedDraft(details: try change.applied(to: PikzonalityDetails(name: name)), texts: change.texts, images: images)
    }

    /// Applies every rule of form to what is given; what is absent, or `null` where a create must have something, breaks none.
    /// - Throws: `invalid` with all violations.
    package func checkedAsGiven(acceptingPlainHTTP: Bool) throws(Failure) -> PartialDraft {
        var violations: [Violation] = []
        var given = details
        if case .null = given.name { given.name = .absent }
        let change = given.checked(requiringName: false, isNew: true, &violations)
        let images = checkedImages(requiring: false, acceptingPlainHTTP: acceptingPlainHTTP, &violations)
        guard violations.isEmpty else { throw .invalid(violations) }
        return PartialDraft(change: change, images: images)
    }

    /// Applies the rules of form to the images alone, as far as any are given: what counts where an item that is there gets others.
    /// - Throws: `invalid` with all violations.
    package func checkedImages(acceptingPlainHTTP: Bool) throws(Failure) -> CheckedImages? {
        var violations: [Violation] = []
        let images = checkedImages(requiring: false, acceptingPlainHTTP: acceptingPlainHTTP, &violations)
        guard violations.isEmpty else { throw .invalid(violations) }
        return images
    }

    private func checkedImages(
        requiring isRequired: Bool, acceptingPlainHTTP: Bool, _ violations: inout [Violation]
    ) -> CheckedImages? {
        switch images {
        case .members(let urls, let base64s):
            checkedImages(urls, base64s, requiring: isRequired, acceptingPlainHTTP: acceptingPlainHTTP, &violations)
        case .files(let files):
            checkedFiles(files, requiring: isRequired, &violations)
        }
    }

    private func checkedFiles(_ files: [ImageSource], requiring isRequired: Bool, _ violations: inout [Violation]) -> CheckedImages? {
        if files.isEmpty, !isRequired { return nil }
        if files.count != Limits.referenceImages {
            violations.append(Violation(.imageFiles, "must be given exactly \(Limits.referenceImages) times, each time with one image"))
        }
        return CheckedImages(field: .imageFiles, sources: files)
    }

    private func checkedImages(
        _ urls: JSONField<[String]>, _ base64s: JSONField<[ImageText]>, requiring isRequired: Bool, acceptingPlainHTTP: Bool,
        _ violations: inout [Violation]
    ) -> CheckedImages? {
        switch (urls, base64s) {
        case (.absent, .absent), (.null, .null), (.absent, .null), (.null, .absent):
            if isRequired { violations.append(Violation(.imageURLs, .imagesMissing)) }
            return nil
        case (.malformed(let rule), .absent), (.malformed(let rule), .null):
            violations.append(Violation(.imageURLs, rule))
            return nil
        case (.absent, .malformed(let rule)), (.null, .malformed(let rule)):
            violations.append(Violation(.imageBase64s, rule))
            return nil
        case (.value(let urls), .absent), (.value(let urls), .null):
            violations += Self.violations(of: urls, acceptingPlainHTTP: acceptingPlainHTTP)
            return CheckedImages(field: .imageURLs, sources: urls.map(ImageSource.url))
        case (.absent, .value(let texts)), (.null, .value(let texts)):
            if texts.count != Limits.referenceImages {
                violations.append(Violation(.imageBase64s, "must hold exactly \(Limits.referenceImages) images"))
            }
            return CheckedImages(field: .imageBase64s, sources: texts.map(ImageSource.base64))
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

/// Reserves names.
package struct ReserveNames: AdministrationOperation {
    private let names: [String]

    package init(_ names: [String]) {
        self.names = names
    }

    /// - Returns: all reserved names.
    /// - Throws: `invalid`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> [NameReport] {
        _ = try await administration.stores.names.reserve(
            try Name.normalised(names), in: administration.context(.namesReserve) { $0.map(\.text) })
        return try await administration.perform(ListNames())
    }
}

/// Releases reserved names.
package struct ReleaseNames: AdministrationOperation {
    private let names: [String]

    package init(_ names: [String]) {
        self.names = names
    }

    /// - Throws: `invalid`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> Confirmation {
        let count = try await administration.stores.names.release(
            try Name.normalised(names), in: administration.context(.namesRelease) { $0.map(\.text) }
        ).count
        return Confirmation(message: "\(count) \(count == 1 ? "name" : "names") released")
    }
}

/// Lists the reserved names.
package struct ListNames: AdministrationOperation {
    /// Asks for all of them.
    package init() {}

    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> [NameReport] {
        try await administration.stores.names.reservedNames().map(NameReport.init)
    }
}

extension Name {
    /// Names as an operator writes them, in the form in which they are stored.
    /// - Throws: `invalid` for the first that can be no name.
    static func normalised(_ texts: [String]) throws(Failure) -> [Name] {
        var names: [Name] = []
        for text in texts {
            do {
                names.append(try Name(normalising: text))
            } catch {
                throw .invalid([error.quoting(text)])
            }
        }
        return names
    }
}

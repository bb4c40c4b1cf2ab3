/// Reserves names.
package struct ReserveNames: AdministrationOperation {
    private let names: [String]

    package init(_ names: [String]) {
        self.names = names
    }

    package static let aimsAtServer = true

    /// - Throws: `invalid`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> ReservationReport
    {
        let names = try Name.normalised(names)
        let reserved = try await administration.stores.names.reserve(
            names, in: administration.context(.namesReserve) { $0.map(\.text) })
        return ReservationReport(names, reserved: reserved)
    }
}

/// Releases reserved names.
package struct ReleaseNames: AdministrationOperation {
    private let names: [String]

    package init(_ names: [String]) {
        self.names = names
    }

    package static let aimsAtServer = true

    /// - Throws: `invalid`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> ReleaseReport {
        let names = try Name.normalised(names)
        let released = try await administration.stores.names.release(
            names, in: administration.context(.namesRelease) { $0.map(\.text) })
        return ReleaseReport(names, released: released)
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
    /// Names as an operator writes them, in the form in which they are stored, each once.
    /// - Throws: `invalid` for the first that can be no name.
    static func normalised(_ texts: [String]) throws(Failure) -> [Name] {
        var names: [Name] = []
        var keys: Set<String> = []
        for text in texts {
            do {
                let name = try Name(normalising: text)
                if keys.insert(name.key).inserted { names.append(name) }
            } catch {
                throw .invalid([error.quoting(text)])
            }
        }
        return names
    }
}

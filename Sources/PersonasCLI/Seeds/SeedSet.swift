import Personas

/// The seeds of one command, which are looked at and loaded as one: an account of the one may have its keys in the other.
struct SeedSet: Sendable {
    /// The seeds in their order.
    let files: [SeedFile]
    /// All that they hold, the images named as this process reaches them.
    let document: SeedDocument
    /// Where each entry of the document comes from.
    private let origins: [SeedEntry: (file: Int, entry: SeedEntry)]

    init(_ files: [SeedFile]) {
        self.files = files
        var document = SeedDocument()
        var origins: [SeedEntry: (file: Int, entry: SeedEntry)] = [:]
        for (index, file) in files.enumerated() {
            func add<Entry>(_ entries: [Entry]?, to all: inout [Entry]?, _ list: SeedEntry.List) {
                for (place, entry) in (entries ?? []).enumerated() {
                    origins[SeedEntry(list, all?.count ?? 0)] = (index, SeedEntry(list, place))
                    if all == nil { all = [] }
                    all?.append(entry)
                }
            }
            func resolved(_ items: [SeedDocument.ItemEntry]?) -> [SeedDocument.ItemEntry]? {
                items?.map { item in
                    var item = item
                    item.images = item.images.map(file.path(of:))
                    return item
                }
            }
            add(file.document.accounts, to: &document.accounts, .accounts)
            add(file.document.keys, to: &document.keys, .keys)
            add(file.document.reservedNames, to: &document.reservedNames, .reservedNames)
            add(file.document.blockedTerms, to: &document.blockedTerms, .blockedTerms)
            add(resolved(file.document.personas), to: &document.personas, .personas)
            add(resolved(file.document.styles), to: &document.styles, .styles)
        }
        self.document = document
        self.origins = origins
    }

    /// What is wrong with the seeds themselves: their form and their images.
    func faults(keepingMetadata: Bool) -> [SeedFault] {
        var progress = ProgressBar("Checking", total: files.reduce(0) { $0 + $1.partCount - 1 })
        defer { progress.finish() }
        var done = 0
        return files.flatMap { file in
            file.faults
                + file.imageFaults(keepingMetadata: keepingMetadata) {
                    done += 1
                    progress.show(done)
                }
        }
    }

    /// The faults that problems are, each at its line.
    func faults(_ problems: [SeedProblem]) -> [SeedFault] {
        problems.compactMap { problem in
            if case .accountMissing = problem.reason, !files.allSatisfy(\.hasAllAccounts) { return nil }
            guard let (index, entry) = origins[problem.entry] else { return nil }
            let place = files[index].places[entry]
            let line = problem.member.flatMap { place?.members[$0] } ?? place?.line ?? 0
            return SeedFault(file: files[index].name, line: line, title: title(of: problem.entry), words: words(for: problem))
        }
    }

    /// The failure that tells all of them; nil where there are none.
    func failure(_ faults: [SeedFault]) -> CommandFailure? {
        let lines = SeedFault.lines(faults, of: files.map(\.name))
        return lines.isEmpty ? nil : CommandFailure(lines: lines)
    }

    private func title(of entry: SeedEntry) -> String {
        switch entry.list {
        case .accounts: (document.accounts?[entry.index].name).map { "account \($0.debugDescription)" } ?? ""
        case .reservedNames, .blockedTerms: ""
        case .keys: (document.keys?[entry.index].label).map { "key \($0.debugDescription)" } ?? ""
        case .personas: (document.personas?[entry.index].name).map { "persona \($0.debugDescription)" } ?? ""
        case .styles: (document.styles?[entry.index].name).map { "style \($0.debugDescription)" } ?? ""
        }
    }

    private func words(for problem: SeedProblem) -> String {
        switch problem.reason {
        case .failure(.invalid(let violations)): violations.map { $0.message(naming: \.seedName) }.joined(separator: "; ")
        case .failure(.nameReserved): "the name \(name(of: problem.entry)) is reserved"
        case .failure(let failure): CommandFailure(failure, naming: \.seedName).message
        case .accountMissing(let name): "there is no account \(name.debugDescription), and the seed has none"
        case .saysOtherwise(let first): "it is there already, \(position(of: first)), and differs from this"
        case .externalIDRepeated(let first): "it has the external_id of the entry \(position(of: first))"
        }
    }

    private func name(of entry: SeedEntry) -> String {
        ((entry.list == .personas ? document.personas : document.styles)?[entry.index].name ?? "").debugDescription
    }

    private func position(of entry: SeedEntry) -> String {
        guard let (index, own) = origins[entry] else { return "" }
        return "at \(files[index].name):\(files[index].places[own]?.line ?? 0)"
    }
}

import Personas

/// What a read asks for, found by its path alone.
enum ReadRoute {
    /// Whether the process lives, or should get traffic.
    case health
    /// One item; with what stands for its id.
    case item(PikzonalityReads, String)
    /// A list of items.
    case list(PikzonalityReads)
    /// Events of an item, with what stands for its id; or of an account.
    case events(item: (surface: PikzonalityReads.Surface, id: String?)?)
    /// Who calls.
    case me
    /// How an account stands with its credits.
    case credits
    /// What became of them.
    case creditEntries
    /// An image; with its token.
    case media(String)
}

/// Finds the route of a path as the router does that knows all of them.
struct ReadRoutes: Sendable {
    private let surfaces: [PikzonalityReads]
    private let hasCredits: Bool

    /// - Parameter hasCredits: whether there are the calls on credits.
    init(_ surfaces: [PikzonalityReads], hasCredits: Bool) {
        self.surfaces = surfaces
        self.hasCredits = hasCredits
    }

    /// The route of a path of plain form, nil for every path that is none of these.
    func route(_ path: String) -> ReadRoute? {
        let bytes = path.utf8
        for reads in surfaces {
            let list = reads.surface.path.utf8
            guard bytes.starts(with: list) else { continue }
            let rest = bytes.dropFirst(list.count)
            if rest.isEmpty { return .list(reads) }
            guard rest.first == UInt8(ascii: "/") else { return nil }
            guard let id = Self.segment(rest.dropFirst()) else {
                let suffix = EventReads.itemSuffix.utf8
                guard rest.count > suffix.count, rest.suffix(suffix.count).elementsEqual(suffix),
                    let id = Self.segment(rest.dropFirst().dropLast(suffix.count)), !reads.surface.takesPostAlone(id)
                else { return nil }
                return .events(item: (reads.surface, id))
            }
            return reads.surface.takesPostAlone(id) ? nil : .item(reads, id)
        }
        if bytes.starts(with: MediaRoutes.pathPrefix.utf8) {
            return Self.segment(bytes.dropFirst(MediaRoutes.pathPrefix.utf8.count)).map(ReadRoute.media)
        }
        if bytes.elementsEqual(MeRoutes.path.utf8) { return .me }
        if bytes.elementsEqual(EventReads.path.utf8) { return .events(item: nil) }
        if hasCredits {
            if bytes.elementsEqual(CreditRoutes.path.utf8) { return .credits }
            if bytes.elementsEqual(CreditRoutes.entriesPath.utf8) { return .creditEntries }
        }
        return HealthRoutes.paths.contains(path) ? .health : nil
    }

    /// What is left of a path, if it is one segment.
    private static func segment(_ rest: Substring.UTF8View) -> String? {
        rest.contains(UInt8(ascii: "/")) ? nil : String(Substring(rest))
    }
}

extension PikzonalityReads.Surface {
    /// Whether what stands for an id is one of the words beside the ids.
    fileprivate func takesPostAlone(_ id: String) -> Bool {
        if case .published = self { Mode.allCases.contains { id.utf8.elementsEqual($0.rawValue.utf8) } } else { false }
    }
}

import Personas

/// What a read asks for, found by its path alone.
enum ReadRoute {
    /// Whether the process lives, or should get traffic.
    case health
    /// One item; with what stands for its id.
    case item(PikzonalityReads, String)
    /// A list of items.
    case list(PikzonalityReads)
    /// Who calls.
    case me
    /// An image; with its token.
    case media(String)
}

/// Finds the route of a path as the router does that knows all of them.
struct ReadRoutes: Sendable {
    private let surfaces: [PikzonalityReads]

    init(_ surfaces: [PikzonalityReads]) {
        self.surfaces = surfaces
    }

    /// The route of a path of plain form, nil for every path that is none of these.
    func route(_ path: String) -> ReadRoute? {
        let bytes = path.utf8
        for reads in surfaces {
            let list = reads.surface.path.utf8
            guard bytes.starts(with: list) else { continue }
            let rest = bytes.dropFirst(list.count)
            if rest.isEmpty { return .list(reads) }
            guard rest.first == UInt8(ascii: "/"), let id = Self.segment(rest.dropFirst()) else { return nil }
            // These stand beside the ids, and take POST alone.
            if case .published = reads.surface, Mode.allCases.contains(where: { id.utf8.elementsEqual($0.rawValue.utf8) }) { return nil }
            return .item(reads, id)
        }
        if bytes.starts(with: MediaRoutes.pathPrefix.utf8) {
            return Self.segment(bytes.dropFirst(MediaRoutes.pathPrefix.utf8.count)).map(ReadRoute.media)
        }
        if bytes.elementsEqual(MeRoutes.path.utf8) { return .me }
        return HealthRoutes.paths.contains(path) ? .health : nil
    }

    /// What is left of a path, if it is one segment.
    private static func segment(_ rest: Substring.UTF8View) -> String? {
        rest.contains(UInt8(ascii: "/")) ? nil : String(Substring(rest))
    }
}

import Personas

/// What a read asks for, found by its path alone.
enum ReadRoute {
    /// Whether the process lives, or should get traffic.
    case health
    /// One item; with what stands for its id.
    case item(PikzonalityReads, String)
    /// A list of items.
    case list(PikzonalityReads)
    /// An image; with its token.
    case media(String)
}

/// Finds the route of a path as the router does that knows all of them.
struct ReadRoutes: Sendable {
    private static let mediaPrefix = "/media/"

    private let surfaces: [(reads: PikzonalityReads, path: String, prefix: String)]

    init(_ surfaces: [PikzonalityReads]) {
        self.surfaces = surfaces.map { ($0, $0.surface.path, "\($0.surface.path)/") }
    }

    /// The route of a path of plain form, nil for every path that is none of these.
    func route(_ path: String) -> ReadRoute? {
        let bytes = path.utf8
        for (reads, path, prefix) in surfaces where bytes.starts(with: path.utf8) {
            if bytes.count == path.utf8.count { return .list(reads) }
            guard bytes.starts(with: prefix.utf8), let id = Self.segment(bytes.dropFirst(prefix.utf8.count)) else { return nil }
            // These stand beside the ids, and take POST alone.
            if case .published = reads.surface, Mode.allCases.contains(where: { id.utf8.elementsEqual($0.rawValue.utf8) }) { return nil }
            return .item(reads, id)
        }
        if bytes.starts(with: Self.mediaPrefix.utf8) {
            return Self.segment(bytes.dropFirst(Self.mediaPrefix.utf8.count)).map(ReadRoute.media)
        }
        return HealthRoutes.paths.contains(path) ? .health : nil
    }

    /// What is left of a path, if it is one segment.
    private static func segment(_ rest: Substring.UTF8View) -> String? {
        rest.contains(UInt8(ascii: "/")) ? nil : String(Substring(rest))
    }
}

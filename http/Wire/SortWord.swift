package import Personas

extension PikzonalitySort {
    /// What clients call the order. Cursors are bound to it, so that another word would make those void that clients hold.
    package var word: String {
        switch self {
        case .newestFirst: "-created_at"
        case .oldestFirst: "created_at"
        case .name: "name"
        case .nameDescending: "-name"
        }
    }
}

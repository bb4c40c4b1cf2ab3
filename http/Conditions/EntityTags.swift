import Crypto
import HTTPTypes
import Personas
import PersonasWire
import Synchronization

/// Makes the entity tags of items, and compares with them what clients send.
///
/// A tag is `"v<version>-<8 hexadecimal digits>"`. The version counts the changes of one item. The digits stand for all else that the bytes of an
/// answer depend on, so that neither a restore nor a move of the service nor an upgrade of it gives other bytes under one tag. Surfaces show one
/// item in different shapes, at different addresses; a tag counts for its address alone.
final class EntityTags: Sendable {
    /// To be raised by one whenever the JSON of an item changes that itself did not: a member more or less, another order, another spelling.
    private static let representationVersion = 1
    /// Bytes of a hash that stand in a tag.
    private static let digestBytes = 4

    private struct Ending {
        let base: String
        let epoch: RandomToken
        /// With the hyphen before it.
        let text: String
    }

    private let epoch: any EpochStore
    private let publicURL: PublicURL
    /// Made again when the address changes, which it does when the server comes to listen.
    private let ending = Mutex<Ending?>(nil)

    init(epoch: any EpochStore, publicURL: PublicURL) {
        self.epoch = epoch
        self.publicURL = publicURL
    }

    /// The tag of an item as it stands in the header `ETag`.
    func text(of item: Pikzonality) -> String { text(version: item.version) }

    /// The tag of a version of something else than an item.
    func text(version: Int) -> String { "\"v\(version)\(endingText)\"" }

    /// Whether a list of tags names an item, weakly compared.
    func isKnown(_ item: Pikzonality, by list: EntityTagList?) -> Bool { isKnown(version: item.version, by: list) }

    /// The same of a version of something else than an item.
    func isKnown(version: Int, by list: EntityTagList?) -> Bool {
        list?.names(EntityTag(strong: "v\(version)\(endingText)")) ?? false
    }

    /// What a request demands of an item that it is to change.
    ///
    /// What is no list of tags is refused rather than taken for one that matches nothing: a client that forgets the quotes would fetch the item again
    /// and again, and never learn why it comes too late.
    /// - Throws: `invalid` with the name of the header.
    func precondition(_ fields: HTTPFields) throws(Failure) -> Precondition {
        guard fields[.ifMatch] != nil || fields[.ifNoneMatch] != nil else { return .none }
        var violations: [Violation] = []
        func list(_ name: HTTPField.Name) -> EntityTagList? {
            guard let value = fields[name] else { return nil }
            let list = EntityTagList(value)
            if list == nil { violations.append(Violation(name.rawName, "must be * or a list of entity tags in double quotes")) }
            return list
        }
        let (match, noneMatch) = (list(.ifMatch), list(.ifNoneMatch))
        guard violations.isEmpty else { throw .invalid(violations) }
        return Precondition(
            demanding: match.map { versions($0, isStrong: true) } ?? .all,
            excluding: noneMatch.map { versions($0, isStrong: false) } ?? .only([]))
    }

    /// The versions that tags stand for. Tags of others, of another life of the database say, stand for none.
    private func versions(_ list: EntityTagList, isStrong: Bool) -> Precondition.Versions {
        guard case .tags(let tags) = list else { return .all }
        let ending = Array(endingText.utf8)
        return .only(
            tags.compactMap { tag in
                guard !(isStrong && tag.isWeak), tag.opaque.first == UInt8(ascii: "v"), tag.opaque.suffix(ending.count) == ending[...]
                else {
                    return nil
                }
                let digits = tag.opaque.dropFirst().dropLast(ending.count)
                // As it is written, and not otherwise: a tag is compared byte by byte.
                guard let version = Int(String(decoding: digits, as: UTF8.self)), String(version).utf8.elementsEqual(digits) else {
                    return nil
                }
                return version
            })
    }

    private var endingText: String {
        let (base, epoch) = (publicURL.base, epoch.epoch)
        return ending.withLock { ending in
            if let ending, ending.epoch == epoch, ending.base.utf8.elementsEqual(base.utf8) { return ending.text }
            let made = Self.ending(base, epoch)
            ending = made
            return made.text
        }
    }

    private static func ending(_ base: String, _ epoch: RandomToken) -> Ending {
        var hash = SHA256()
        hash.update(data: epoch.bytes)
        hash.update(data: Array("\(representationVersion)\n\(base)".utf8))
        return Ending(base: base, epoch: epoch, text: "-\(hexadecimal(Array(hash.finalize().prefix(digestBytes))))")
    }
}

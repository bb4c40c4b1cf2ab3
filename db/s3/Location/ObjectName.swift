import Personas

/// Names of objects in the bucket: `<prefix>/ab/<digest>/<object>`, where `ab` is the first byte of the digest, so that a 256th of all is listed
/// at a time.
enum ObjectName {
    private static let digestBytes = 32

    /// The name of a blob's object.
    /// - Throws: `unexpected` for a key without an object: two lives of the same bytes would share one name, and a late removal of the first would
    ///   take the second away.
    static func name(of key: BlobKey, in location: S3Location) throws(Failure) -> String {
        guard let object = key.object, key.digest.count == digestBytes else {
            throw .unexpected("An image has no object id in its key, so that it has no name in the bucket")
        }
        return "\(folder(key.digest[0], in: location))\(hexadecimal(key.digest))/\(object.text)"
    }

    /// What the names of all objects begin with whose digest begins with a byte.
    static func folder(_ prefix: UInt8, in location: S3Location) -> String { "\(location.prefix)\(hexadecimal([prefix]))/" }

    /// The blob that a name stands for; nil for a name that is not made like that.
    static func key(named name: String, in location: S3Location) -> BlobKey? {
        guard name.utf8.starts(with: location.prefix.utf8) else { return nil }
        let parts = name.utf8.dropFirst(location.prefix.utf8.count).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { Array($0) }
        guard parts.count == 3, parts[1].count == 2 * digestBytes, let object = Identifier(String(decoding: parts[2], as: UTF8.self)) else {
            return nil
        }
        var digest: [UInt8] = []
        for place in stride(from: 0, to: parts[1].count, by: 2) {
            guard let byte = UInt8(String(decoding: parts[1][place..<place + 2], as: UTF8.self), radix: 16) else { return nil }
            digest.append(byte)
        }
        let key = BlobKey(digest: digest, object: object)
        // Capital letters, a sign or another folder would be another object's name.
        guard let own = try? Self.name(of: key, in: location), own.utf8.elementsEqual(name.utf8) else { return nil }
        return key
    }
}

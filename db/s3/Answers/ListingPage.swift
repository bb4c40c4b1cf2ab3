import Personas

/// One page of a listing, as ListObjectsV2 answers.
struct ListingPage {
    /// What lies there, names that stand for no blob passed over.
    private(set) var blobs: [ListedBlob] = []
    /// What the next page is asked for with; nil on the last.
    private(set) var nextToken: String?

    /// Reads one; nil where it is none, or does not say how to go on.
    init?(_ document: [UInt8], in location: S3Location) {
        var (name, moment, byteCount): (String?, Timestamp?, Int?)
        var (isRoot, isTruncated): (Bool, Bool?) = (false, nil)
        let isWhole = XMLElements.read(document) { path, text in
            guard path.first == "ListBucketResult" else { return }
            switch path.dropFirst() {
            case []: isRoot = true
            case ["IsTruncated"]: isTruncated = ["true": true, "false": false][text]
            case ["NextContinuationToken"]: nextToken = text
            case ["Contents", "Key"]: name = text
            case ["Contents", "LastModified"]: moment = Timestamp(text: text)
            case ["Contents", "Size"]: byteCount = Int(text)
            case ["Contents"]:
                if let key = name.flatMap({ ObjectName.key(named: $0, in: location) }), let moment {
                    blobs.append(ListedBlob(key: key, modifiedAt: moment, byteCount: byteCount))
                }
                (name, moment, byteCount) = (nil, nil, nil)
            default: break
            }
        }
        guard isWhole, isRoot, let isTruncated else { return nil }
        if !isTruncated { nextToken = nil }
        guard !isTruncated || nextToken?.isEmpty == false else { return nil }
    }
}

/// A stored item with all that an operator may ask about it.
package struct ItemDetails: Sendable, Codable, Equatable {
    /// The training job as an operator's program sees it.
    package struct Job: Sendable, Codable, Equatable {
        /// Where a job stands.
        package enum State: String, Sendable, Codable {
            /// Waits for a worker.
            case queued
            /// A worker holds it.
            case leased
            /// Ended well.
            case completed
            /// Ended badly.
            case failed
            /// It was called off, or its item is gone.
            case cancelled
        }

        /// The job's id.
        package let id: Identifier
        /// Where it stands.
        package let state: State
        /// Leases given so far.
        package let attempts: Int
        /// Leases that it is given at most.
        package let attemptsMax: Int
        /// 0 to 100.
        package let progress: Int
        /// RFC 3339; nil unless it is leased.
        package let leaseExpiresAt: String?
        /// RFC 3339.
        package let createdAt: String

        init(_ job: TrainingJob, attemptsMax: Int, createdAt: Timestamp) {
            id = job.id
            attempts = job.attempts
            self.attemptsMax = attemptsMax
            progress = job.progress
            self.createdAt = createdAt.text
            switch job.state {
            case .queued: (state, leaseExpiresAt) = (.queued, nil)
            case .leased(_, let until): (state, leaseExpiresAt) = (.leased, until.text)
            case .completed: (state, leaseExpiresAt) = (.completed, nil)
            case .failed: (state, leaseExpiresAt) = (.failed, nil)
            case .cancelled: (state, leaseExpiresAt) = (.cancelled, nil)
            }
        }
    }

    /// A stored image as an operator's program sees it.
    package struct Image: Sendable, Codable, Equatable {
        /// What it is for: `reference 1` and so on, or `portrait`.
        package let use: String
        /// SHA-256 of its bytes in hexadecimal, by which its file is named.
        package let sha256: String
        /// What the bytes are.
        package let format: ImageFormat
        /// Pixels from side to side.
        package let width: Int
        /// Pixels from top to bottom.
        package let height: Int
        /// How many bytes there are.
        package let bytes: Int

        init(_ image: StoredImage, use: String) {
            self.use = use
            sha256 = hexadecimal(image.key.digest)
            format = image.format
            width = image.width
            height = image.height
            bytes = image.byteCount
        }
    }

    /// The item.
    package let item: ItemReport
    /// Its training job; nil for one that came trained, from a seed.
    package let job: Job?
    /// The reference images in their order, then the portrait, once there is one.
    package let images: [Image]
    /// Since when and until when it lies in the trash; nil for an item that does not.
    package let trash: TrashTimes?

    /// - Parameter attemptsMax: leases that a job is given at most.
    init(_ found: OperatorItemDetails, attemptsMax: Int) {
        item = ItemReport(found.item)
        job = found.job.map { Job($0.job, attemptsMax: attemptsMax, createdAt: $0.createdAt) }
        images =
            found.references.enumerated().map { Image($1, use: "reference \($0 + 1)") }
            + (found.portrait.map { [Image($0, use: "portrait")] } ?? [])
        trash = found.trashed.map(TrashTimes.init)
    }

    private enum CodingKeys: String, CodingKey {
        case job, images, trash
    }

    /// Reads the members of the item and those beside them.
    package init(from decoder: any Decoder) throws {
        item = try ItemReport(from: decoder)
        let members = try decoder.container(keyedBy: CodingKeys.self)
        job = try members.decodeIfPresent(Job.self, forKey: .job)
        images = try members.decode([Image].self, forKey: .images)
        trash = try members.decodeIfPresent(TrashTimes.self, forKey: .trash)
    }

    /// Writes the members of the item, as lists have them, and beside them what stands behind it.
    package func encode(to encoder: any Encoder) throws {
        try item.encode(to: encoder)
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encodeIfPresent(job, forKey: .job)
        try members.encode(images, forKey: .images)
        try members.encodeIfPresent(trash, forKey: .trash)
    }
}

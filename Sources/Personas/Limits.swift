/// Every bound of the domain, each with its unit and its reason. Bounds of the wire and of resources are settings; see `personas config`.
package enum Limits {
    /// Reference images of one persona or style. The published API takes exactly three.
    package static let referenceImages = 3
    /// Characters of a name after normalisation, from the published API.
    package static let nameCharactersMax = 25
    /// Unicode scalars of special instructions, from the published API.
    package static let specialInstructionsCharactersMax = 300
    /// Characters of the id that a client's own program gives an item.
    package static let externalIDCharactersMax = 64
    /// Labels of a client's own on one item.
    package static let metadataMembersMax = 16
    /// Characters of the key of such a label.
    package static let metadataKeyCharactersMax = 40
    /// Unicode scalars of what such a label says.
    package static let metadataValueCharactersMax = 500
    /// Labels that one list is filtered by.
    package static let metadataFiltersMax = 2
    /// Bytes of one decoded image: 10 MiB, from the published API.
    package static let imageBytesMax = 10 * 1_024 * 1_024
    /// Bytes of a stored image that are read at a time: what one slow reader holds in memory.
    package static let blobChunkBytesMax = 65_536
    /// Characters of an image URL. Signed URLs run to about 2,000; the room above is for generous signers.
    package static let imageURLCharactersMax = 8_192
    /// Seconds for fetching all images of one create; clients give up after 60.
    package static let imageFetchSecondsMax = 30
    /// Items of one page when a client names no number.
    package static let pageItemsDefault = 20
    /// Items of one page at most; more is taken as this.
    package static let pageItemsMax = 100
    /// Seconds that a lease lasts without a heartbeat, unless a setting says otherwise. A worker beats several times within it.
    package static let leaseSeconds = 30
    /// Leases that one job is given before its item fails.
    package static let trainingAttemptsMax = 3
    /// Seconds that a lease call may wait for a job: below the idle limits of common proxies.
    package static let leaseWaitSecondsMax = 30
    /// Seconds that a read of an item may wait for a change: below the idle limits of common proxies.
    package static let itemWaitSeconds = 1...60
    /// Characters of a failure message that a worker reports.
    package static let failureMessageCharactersMax = 500
    /// Characters of an account's name or a key's label.
    package static let labelCharactersMax = 100
    /// Rows that one administrative listing prints: what an operator can read, and what one answer can hold.
    package static let administrationRowsMax = 10_000
    /// Rows that a command asks for at once of a listing that it prints to its end.
    package static let administrationPageRows = 1_000
    /// Events that one call passes over in search of those that it is asked for; the next goes on from there.
    package static let eventsPassedMax = 1_000
    /// The same where an event loop waits meanwhile.
    package static let eventsPassedNowMax = 100
    /// Days for which events are kept: long enough for whoever was away on a holiday.
    package static let eventDaysKept = 30
    /// Hours for which events of progress are kept, which nobody needs for long.
    package static let progressEventHoursKept = 24
    /// Days for which an item stays in the trash, unless a setting says otherwise.
    package static let trashDaysKept = 30
    /// States of one item that are kept, the present one among them.
    package static let revisionsKept = 100
    /// Endpoints of webhooks of one account: one for each of its programs, and few enough that an event costs little more than without any.
    package static let webhooksMax = 10
    /// Characters of an endpoint's URL.
    package static let webhookURLCharactersMax = 2_048
    /// Characters of what an owner writes down about an endpoint.
    package static let webhookDescriptionCharactersMax = 300
    /// Seconds for which an endpoint's previous secret may sign beside the new one: up to a week.
    package static let webhookOverlapSeconds = 0...604_800
    /// The same where nothing is said: a day.
    package static let webhookOverlapSecondsDefault = 86_400
    /// Deliveries that one call queues anew.
    package static let replayDeliveriesMax = 10_000
    /// The latest attempts at one delivery that are kept: those of two rounds of the schedule, and some more by hand.
    package static let deliveryAttemptsKept = 30
    /// Seconds for which an answer is kept under its idempotency key: 24 hours.
    package static let idempotencySecondsKept = 86_400
    /// Seconds after which a claim on an idempotency key ends by itself where nobody prolongs it: what a retry has to wait for at most whose first
    /// attempt went down with its process.
    package static let idempotencyClaimSeconds = 5
    /// Seconds after which a request that still runs prolongs its claim: so that an attempt at that may fail.
    package static let idempotencyRenewalSeconds = 2
    /// Seconds within which the bytes of a deleted item leave the disk of a running server: several rounds of what removes them.
    package static let removalSecondsMax = 300
    /// Entries of the audit that are kept: decades of what people type, months of a script that creates an item every few seconds, and at some 100 bytes
    /// each no more than a disk is sure to have.
    package static let auditEntriesMax = 1_000_000
    /// Bytes of what one entry of the audit names, unless a single name is longer; what was changed beyond that stands in further entries.
    package static let auditTargetBytesMax = 1_000
    /// Rows of all accounts' items that one call passes over for an operator's list; the list goes on from there.
    package static let operatorRowsPassedMax = 20_000
    /// Characters of a blocked term, so that a text is looked through in bounded time.
    package static let termCharactersMax = 100
    /// Findings that one check lists: enough to see what is wrong; all of them are counted.
    package static let findingsMax = 1_000
    /// Findings of one kind that are listed even where those of other kinds have used up that number.
    package static let findingsOfKindMin = 20
    /// Backups that a folder may be told to hold: from the new one alone to more than a year's of each day.
    package static let backupsKept = 1...1_000

    /// What is taken as the number of rows that an operator asks for.
    static func administrationRows(_ limit: Int) -> Int { max(1, min(limit, administrationRowsMax)) }
}

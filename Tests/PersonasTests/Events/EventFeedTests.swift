import Personas
import TestSupport
import Testing

@Suite("The feed of events")
struct EventFeedTests {
    @Test("Whoever follows an account is rung for its events alone, once for a commit, until the end")
    func bells() {
        let feed = EventFeed()
        let (item, other) = (Pikzonality.fixture(), Pikzonality.fixture())
        let rings = Shared<[Int]>([])
        let bell = feed.follow(item.accountID) { before in rings.withLock { $0.append(before) } }
        feed.publish([.fixture(1, item), .fixture(2, item), .fixture(1, other)])
        #expect(rings.value == [0])
        feed.publish([.fixture(2, other)])
        feed.publish([])
        #expect(rings.value == [0])
        feed.ring(item.accountID)
        feed.ring(other.accountID)
        feed.ringAll()
        #expect(rings.value == [0, 0, 0])
        let second = feed.follow(item.accountID) { before in rings.withLock { $0.append(before) } }
        feed.publish([.fixture(3, item)])
        #expect(rings.value.count == 5 && rings.value.suffix(2).sorted() == [0, 1], "each is told how many were rung before it")
        #expect(feed.bellCount == 2)
        feed.end(bell)
        feed.end(second)
        feed.end(second)
        feed.publish([.fixture(4, item)])
        #expect(rings.value.count == 5 && feed.bellCount == 0)
    }

    @Test("A signal is given for the events of any account")
    func signals() {
        let (feed, signal) = (EventFeed(), WakeSignal())
        feed.signalAlways(signal)
        for count in 1...3 {
            feed.publish([.fixture(1, Pikzonality.fixture())])
            #expect(signal.count == count)
        }
        feed.ringAll()
        #expect(signal.count == 3)
    }

    @Test("A signal may be given for events of some types alone")
    func signalsOfTypes() {
        let (feed, signal, item) = (EventFeed(), WakeSignal(), Pikzonality.fixture())
        let event = Event.fixture(1, item)
        feed.signalAlways(signal) { $0 == .webhookDisabled }
        feed.publish([event])
        #expect(signal.count == 0)
        let disabled = Event(
            id: .random(), accountID: item.accountID, sequence: 2, type: .webhookDisabled, at: event.at,
            subject: .webhook(WebhookNotice(id: .random(), url: "https://a.example/")))
        feed.publish([event, disabled, event])
        #expect(signal.count == 1)
    }

    @Test("Memory has what follows a sequence, or says that the store has to be asked")
    func recent() {
        let (feed, item) = (EventFeed(), Pikzonality.fixture())
        #expect(feed.recent(after: 0, limit: 9, accountID: item.accountID) == nil)
        let events = (11...20).map { Event.fixture($0, item) }
        for event in events { feed.publish([event]) }
        for after in Int64(10)...20 {
            for limit in [1, 3, 100] {
                let expected = Array(events.dropFirst(Int(after) - 10).prefix(limit))
                #expect(feed.recent(after: after, limit: limit, accountID: item.accountID) == expected)
            }
        }
        for after: Int64 in [0, 9, -1, .min] { #expect(feed.recent(after: after, limit: 9, accountID: item.accountID) == nil) }
        for after: Int64 in [21, .max] { #expect(feed.recent(after: after, limit: 9, accountID: item.accountID) == []) }
        #expect(feed.recent(after: 10, limit: 9, accountID: .random()) == nil)
    }

    @Test("What came before a hole is not told, so that nobody misses what fell into it")
    func holes() {
        let (feed, item) = (EventFeed(), Pikzonality.fixture())
        feed.publish([.fixture(1, item), .fixture(2, item), .fixture(4, item), .fixture(5, item)])
        for after: Int64 in 0...2 { #expect(feed.recent(after: after, limit: 9, accountID: item.accountID) == nil) }
        #expect(feed.recent(after: 3, limit: 9, accountID: item.accountID)?.map(\.sequence) == [4, 5])
        #expect(feed.recent.count == 4, "they count until their turn comes")
    }

    @Test("Once an item is gone nobody is told what it was like, by those events either that came before")
    func gone() {
        let feed = EventFeed()
        let item = Pikzonality.fixture()
        let other = Pikzonality.fixture(of: item.accountID)
        let events: [Event] = [
            .fixture(1, item, .created), .fixture(2, other, .created), .fixture(3, item), .fixture(4, item, .deleted), .fixture(5, other),
        ]
        feed.publish(events)
        #expect(
            feed.recent(after: 0, limit: 9, accountID: item.accountID)
                == [events[0].reduced, events[1], events[2].reduced, events[3], events[4]])
    }

    @Test("It keeps so many events of all accounts together, and the latest of each", arguments: [1, 3])
    func bounded(accounts: Int) {
        let feed = EventFeed()
        let items = (0..<accounts).map { _ in Pikzonality.fixture() }
        let each = EventFeed.recentMax * 2
        for sequence in 1...each {
            for item in items {
                // A hole and an item that goes now and then, which have to be counted rightly.
                let number = Int64(sequence * (sequence.isMultiple(of: 1_000) ? 2 : 1))
                feed.publish([.fixture(number, item, sequence % 7 == 0 ? .deleted : .updated)])
            }
        }
        #expect(feed.recent.count == EventFeed.recentMax)
        for item in items {
            let found = feed.recent(after: Int64(each - 10), limit: .max, accountID: item.accountID)
            #expect(found?.map(\.sequence) == Array(Int64(each - 9)...Int64(each)))
            #expect(feed.recent(after: Int64(each - EventFeed.recentMax - 1), limit: 9, accountID: item.accountID) == nil)
        }
        feed.publish((0..<EventFeed.recentMax).map { .fixture(Int64($0), Pikzonality.fixture()) })
        for item in items { #expect(feed.recent(after: Int64(each), limit: 9, accountID: item.accountID) == nil) }
    }

    @Test("However large the items are, it holds so many bytes")
    func bytes() {
        let feed = EventFeed()
        let labels = (0..<Limits.metadataMembersMax).map {
            MetadataMember(key: "\($0)", value: String(repeating: "\u{1F600}", count: Limits.metadataValueCharactersMax))
        }
        let item = Pikzonality.fixture(labels: labels)
        for sequence in 1...1_000 { feed.publish([.fixture(Int64(sequence), item)]) }
        #expect(feed.recent.bytes <= EventFeed.recentBytesMax && feed.recent.bytes > EventFeed.recentBytesMax / 2)
        #expect(feed.recent.count < 300 && feed.recent.count > 200)
        #expect(feed.recent(after: 999, limit: 9, accountID: item.accountID)?.count == 1)
    }
}

import NIOCore

/// Whether a client takes the answers that it asked for, fast enough to be waited for.
///
/// What counts is what the client's side has acknowledged, not what the system has taken from this process: between the two lie megabytes,
/// which a slow reader needs minutes for, and a reader with a tiny window moves bytes long before any buffer here becomes free.
struct AnswerProgress {
    private let stallTimeout: TimeAmount
    private let bytesPerSecondMin: Int

    /// Since when bytes have been waiting; `nil` while none are.
    private var waitingSince: NIODeadline?
    /// How long bytes of the present answer have waited before.
    private var waitedBefore = TimeAmount.zero
    /// What had been taken when bytes of the present answer began to wait.
    private var before = TakenBytes()
    private var last = TakenBytes()
    /// When the client was last seen to take something.
    private(set) var movedAt = NIODeadline.uptimeNanoseconds(0)

    init(stallTimeout: TimeAmount, bytesPerSecondMin: Int) {
        self.stallTimeout = stallTimeout
        self.bytesPerSecondMin = max(1, bytesPerSecondMin)
    }

    /// Whether bytes are waiting to be taken.
    var isWaiting: Bool { self.waitingSince != nil }

    /// How often to look: rarely enough to cost nothing, often enough to know within a sixth more than the timeout.
    var lookInterval: TimeAmount { .nanoseconds(max(1, self.stallTimeout.nanoseconds / 6)) }

    /// Bytes have begun to wait.
    mutating func begin(_ taken: TakenBytes, at now: NIODeadline) {
        guard self.waitingSince == nil else { return }
        if self.waitedBefore == .zero { self.before = taken }
        self.last = taken
        self.waitingSince = now
        self.movedAt = now
    }

    /// No bytes wait any more.
    /// - Parameter isWholeAnswer: Whether that was all of the answer, so that the next one has a time of its own.
    mutating func end(isWholeAnswer: Bool, at now: NIODeadline) {
        if let since = self.waitingSince { self.waitedBefore = self.waitedBefore + (now - since) }
        if isWholeAnswer { self.waitedBefore = .zero }
        self.waitingSince = nil
    }

    /// Whether the client has taken anything since that was last asked.
    mutating func hasMoved(_ taken: TakenBytes, at now: NIODeadline) -> Bool {
        guard taken != self.last else { return false }
        self.last = taken
        self.movedAt = now
        return true
    }

    /// Whether the client takes too little: less than the least rate since its answer began to wait, with one timeout to spare, or nothing for
    /// as long as a timeout.
    ///
    /// The latter is doubled for a client that has earned it. One with a large buffer lets the system acknowledge nothing while a sixteenth of
    /// it becomes free, which at the least rate takes longer than the timeout.
    mutating func isTooSlow(_ taken: TakenBytes, at now: NIODeadline) -> Bool {
        guard let since = self.waitingSince else { return false }
        _ = self.hasMoved(taken, at: now)
        let earnedSeconds = Double(taken.count(since: self.before)) / Double(self.bytesPerSecondMin)
        let waited = self.waitedBefore + (now - since)
        let left = self.stallTimeout + .nanoseconds(Int64(earnedSeconds * 1e9)) - waited
        guard left >= .zero else { return true }
        return now - self.movedAt >= self.stallTimeout + min(self.stallTimeout, left)
    }
}

/// How much of everything that was sent on a connection has been taken, in bytes.
struct TakenBytes: Equatable {
    /// Bytes that the system has taken from this process.
    var bySystem: UInt64 = 0
    /// Bytes that the client's side has acknowledged; 0 where the system does not tell.
    var byClient: UInt64 = 0

    /// Bytes taken since an earlier moment: those acknowledged where that is known, for what the system holds is not taken yet.
    func count(since earlier: TakenBytes) -> UInt64 {
        self.byClient > 0 ? self.byClient - min(earlier.byClient, self.byClient) : self.bySystem - min(earlier.bySystem, self.bySystem)
    }
}

/// What the system knows of the bytes that were sent on a connection.
enum SentBytes {
    /// `TCP_INFO` of Linux up to `tcpi_bytes_received`, of which NIO's own, the C library's, lacks the last parts. In words of 8 bytes, of
    /// which the 16th is `tcpi_bytes_acked` (RFC 4898, `tcpEStatsAppHCThruOctetsAcked`).
    private typealias TCPInfo = (
        UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64,
        UInt64
    )

    #if os(Linux)
        private static let tcpInfo = NIOBSDSocket.Option(rawValue: 11)
        private static let notSentLowWater = NIOBSDSocket.Option(rawValue: 25)
    #endif
    /// Bytes that may lie unsent in the system's buffer, which is memory of the machine, if not of the process: enough for the fastest
    /// connection, while a client that reads nothing cannot fill megabytes.
    private static let unsentBytesMax = 131_072

    /// Bounds what the system buffers for a client that does not take it.
    static func bound(_ channel: any Channel) {
        #if os(Linux)
            let option = ChannelOptions.Types.SocketOption(level: .tcp, name: self.notSentLowWater)
            try? channel.syncOptions?.setOption(option, value: self.unsentBytesMax)
        #endif
    }

    /// Bytes that the other side has acknowledged; 0 where the system does not tell.
    static func acknowledged(_ channel: any Channel) -> UInt64 {
        var bytes: UInt64 = 0
        #if os(Linux)
            guard let provider = channel as? any SocketOptionProvider else { return 0 }
            let future: EventLoopFuture<TCPInfo> = provider.unsafeGetSocketOption(level: .tcp, name: self.tcpInfo)
            // On the channel's own event loop the answer is there at once.
            future.assumeIsolated().whenSuccess { bytes = $0.15 }
        #endif
        return bytes
    }

    /// Bytes that wait in this process for the system to take them.
    static func waiting(_ channel: any Channel) -> Int {
        (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }
}

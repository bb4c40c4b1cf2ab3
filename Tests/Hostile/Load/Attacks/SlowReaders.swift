import Foundation
import TestSupport

/// Clients that read an image slowly and steadily, as over a poor link.
package struct SlowReaders: Attack {
    /// Clients of one kind.
    package struct Group: Sendable {
        let count: Int
        let path: String
        let image: [UInt8]
        let bytesPerSecond: Int
        let receiveBufferBytes: Int?
        let secondsMax: Double

        /// - Parameters:
        ///   - image: what has to come.
        ///   - bytesPerSecond: how much each takes in a second.
        ///   - receiveBufferBytes: nil for the kernel's default, which holds megabytes; a very small one comes with small segments.
        ///   - secondsMax: after which each takes the rest as fast as it comes, so that a long image needs no long test.
        package init(
            count: Int, path: String, image: [UInt8], bytesPerSecond: Int, receiveBufferBytes: Int? = nil, secondsMax: Double = .infinity
        ) {
            self.count = count
            self.path = path
            self.image = image
            self.bytesPerSecond = bytesPerSecond
            self.receiveBufferBytes = receiveBufferBytes
            self.secondsMax = secondsMax
        }

        fileprivate var label: String {
            "\(bytesPerSecond / 1_000) kB/s\(receiveBufferBytes.map { ", window of \($0)" } ?? "")"
        }
    }

    package let name = "slow readers"
    let groups: [Group]
    /// Whether those who are done begin again.
    let isReturning: Bool

    /// Takes all members.
    package init(_ groups: [Group], isReturning: Bool = false) {
        self.groups = groups
        self.isReturning = isReturning
    }

    /// A segment as over a telephone's link, so that a small window holds some.
    private static let segmentBytesMax = 536
    /// Windows below this come with such segments.
    private static let narrowBytes = 16_384
    private static let turnSeconds = 0.02

    package func run(on service: Service, _ run: AttackRun) throws {
        var readers = groups.flatMap { group in (0..<group.count).compactMap { _ in Reader(group, port: service.port, run) } }
        run.ready()
        var buffer = [UInt8](repeating: 0, count: 262_144)
        while !readers.isEmpty, run.pause(Self.turnSeconds) {
            var returning: [Group] = []
            readers.removeAll { reader in
                guard let end = reader.take(&buffer) else { return false }
                run.count(end)
                if isReturning { returning.append(reader.group) }
                return true
            }
            readers += returning.compactMap { Reader($0, port: service.port, run) }
        }
        // In a soak there are always some that are not done.
        if !isReturning {
            for reader in readers { run.count("\(reader.group.label): not done, \(reader.bodyBytes) of \(reader.group.image.count) bytes") }
        }
    }

    private final class Reader {
        let group: Group
        private let socket: Socket
        private let watch = Stopwatch()
        private var head: [UInt8] = []
        private var isInBody = false
        private var taken = 0
        private(set) var bodyBytes = 0

        init?(_ group: Group, port: Int, _ run: AttackRun) {
            self.group = group
            let window = group.receiveBufferBytes
            guard
                let socket = try? Socket(
                    .port(port), receiveBufferBytes: window,
                    segmentBytesMax: window.flatMap { $0 < SlowReaders.narrowBytes ? SlowReaders.segmentBytesMax : nil })
            else {
                run.count("not connected")
                return nil
            }
            self.socket = socket
            socket.send("GET \(group.path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        }

        /// Takes what is due by now. Returns how it ended, nil while it goes on.
        func take(_ buffer: inout [UInt8]) -> String? {
            let seconds = watch.seconds
            let isInHurry = seconds > group.secondsMax
            // What becomes due while this one takes its bytes waits for the next look: at high rates it would never come to an end before.
            let dueByNow = isInHurry ? taken + buffer.count : Int(seconds * Double(group.bytesPerSecond))
            while true {
                let due = dueByNow - taken
                guard due > 0 else { return nil }
                switch socket.receive(into: &buffer, atMost: due) {
                case .nothing: return nil
                case .closed:
                    return "\(group.label): cut after \(Int(watch.seconds)) s, \(bodyBytes * 100 / group.image.count) % of the image"
                case .bytes(let count):
                    taken += count
                    if let end = read(buffer, count) { return end }
                }
            }
        }

        private func read(_ buffer: [UInt8], _ count: Int) -> String? {
            var start = 0
            if !isInBody {
                head += buffer[..<count]
                guard let end = head.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound else { return nil }
                guard head.starts(with: "HTTP/1.1 200".utf8) else {
                    return "\(group.label): answered \(String(decoding: head.dropFirst(9).prefix(3), as: UTF8.self))"
                }
                isInBody = true
                start = end - (head.count - count)
            }
            let (length, offset) = (count - start, bodyBytes)
            guard offset + length <= group.image.count else { return "\(group.label): more bytes than the image has" }
            let isSame = buffer.withUnsafeBytes { received in
                group.image.withUnsafeBytes { image in
                    guard length > 0, let received = received.baseAddress, let image = image.baseAddress else { return true }
                    return memcmp(received + start, image + offset, length) == 0
                }
            }
            guard isSame else { return "\(group.label): other bytes than the image's" }
            bodyBytes += length
            return bodyBytes == group.image.count ? "\(group.label): whole" : nil
        }
    }
}

/// Clients that send a body slowly and steadily, as a telephone does.
package struct SlowUploads: Attack {
    package let name = "slow uploads"
    /// Each a whole body and the bytes of it that are sent in a second, with the account that sends it.
    let uploads: [Upload]
    /// Whether one that is done begins again.
    let isReturning: Bool

    /// One of them.
    package struct Upload: Sendable {
        let account: String
        let bytesPerSecond: Int
        let body: @Sendable (Int) -> [UInt8]

        /// - Parameter body: the body with a number.
        package init(account: String, bytesPerSecond: Int, body: @escaping @Sendable (Int) -> [UInt8]) {
            self.account = account
            self.bytesPerSecond = bytesPerSecond
            self.body = body
        }
    }

    /// Takes all members.
    package init(_ uploads: [Upload], isReturning: Bool = false) {
        self.uploads = uploads
        self.isReturning = isReturning
    }

    package func run(on service: Service, _ run: AttackRun) throws {
        var number = 0
        func begin(_ upload: Upload) -> Sender? {
            number += 1
            return Sender(upload, number, service)
        }
        var senders = uploads.compactMap(begin)
        run.ready()
        while !senders.isEmpty, run.pause(0.05) {
            var returning: [Upload] = []
            senders.removeAll { sender in
                guard let end = sender.step() else { return false }
                run.count("\(sender.upload.bytesPerSecond / 1_000) kB/s: \(end)")
                if isReturning { returning.append(sender.upload) }
                return true
            }
            senders += returning.compactMap(begin)
        }
    }

    private final class Sender {
        let upload: Upload
        private let socket: Socket
        private let body: [UInt8]
        private let watch = Stopwatch()
        private var sent = 0

        init?(_ upload: Upload, _ number: Int, _ service: Service) {
            self.upload = upload
            body = upload.body(number)
            guard let socket = try? Socket(.port(service.port)) else { return nil }
            self.socket = socket
            socket.send(
                """
                POST /v2/personas HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: \(service.key(upload.account))\r\n\
                Content-Type: application/json\r\nContent-Length: \(body.count)\r\n\r\n
                """)
        }

        /// Sends what is due by now. Returns the answer, nil while there is none.
        func step() -> String? {
            let answer = Crowd.answer(of: socket)
            if answer != "no answer" {
                let progress = sent == body.count ? "" : " after \(Int(watch.seconds)) s, \(sent * 100 / body.count) % sent"
                return answer + progress
            }
            let due = min(body.count, Int(watch.seconds * Double(upload.bytesPerSecond)))
            guard due > sent else { return nil }
            guard let count = body.withUnsafeBytes({ socket.send(UnsafeRawBufferPointer(rebasing: $0[sent..<due])) }) else {
                return "cut after \(Int(watch.seconds)) s, \(sent * 100 / body.count) % sent"
            }
            sent += count
            return nil
        }
    }
}

import Foundation
import TestSupport

extension Scenario {
    /// Attacks of the same kind that have not been reported: others go on, and memory stays.
    package static var kindred: [Scenario] {
        [
            beside("A", "stalled pages", "80 connections ask 100 times each for a page of 100 items and read nothing") { service in
                [StalledReaders(connections: 80, path: "/v2/personas?limit=100", key: service.key("victim"), times: 100)]
            },
            beside("B", "stalled metrics", "300 connections ask 100 times each for /metrics and read nothing") { _ in
                [StalledReaders(connections: 300, path: "/metrics", times: 100)]
            },
            beside("D", "dripped chunks", "100 connections send chunks of a byte with extensions of 2 kB") { _ in
                [DrippedChunks(account: "attacker", connections: 100)]
            },
            beside("L", "waiting leases", "300 connections wait for a job with one key") { _ in
                [
                    RepeatedRequests(name: "waiting leases", connections: 300) { _, service in
                        RepeatedRequests.bytes(
                            "POST", "/v2/training/lease", key: service.key("trainer"), json: Array("{\"wait_seconds\":30}".utf8))
                    }
                ]
            },
            beside("N", "new connections", "four threads connect, ask for a path that there is not, and close") { _ in
                (0..<4).map { _ in NewConnections() }
            },
            beside("S", "searches", "40 searches at once of one key") { _ in
                [
                    RepeatedRequests(name: "searches", connections: 40, pauseSeconds: 0) { number, service in
                        RepeatedRequests.bytes("GET", "/v2/personas?q=v%20\(number % 10)&sort=name", key: service.key("victim"))
                    }
                ]
            },
            beside("T", "too large bodies", "50 connections announce more than the limit, or send 2 MB of it") { _ in
                [
                    RepeatedRequests(name: "too large bodies", connections: 50) { number, service in
                        RepeatedRequests.bytes(
                            "POST", "/v2/personas", key: service.key("attacker"),
                            json: [UInt8](repeating: 0x20, count: number.isMultiple(of: 2) ? 100 : 2_000_000), announcing: 67_108_865)
                    }
                ]
            },
            beside("U", "unknown keys", "50 connections with keys that no caller was given") { _ in
                [
                    RepeatedRequests(name: "unknown keys", connections: 50, pauseSeconds: 0) { number, _ in
                        RepeatedRequests.bytes(
                            "GET", "/v2/personas", key: "pkz_" + String(number, radix: 36) + String(repeating: "a", count: 40))
                    }
                ]
            },
            beside("W", "writes", "64 changes at once of one key") { _ in
                [
                    RepeatedRequests(name: "writes", connections: 64, pauseSeconds: 0) { number, service in
                        RepeatedRequests.bytes(
                            "POST", "/v2/styles", key: service.key("attacker"),
                            json: Bodies.create(name: "W\(number)", images: Pictures.small(3)))
                    }
                ]
            },
        ]
    }

    /// Attacks for some seconds while others do what they always do.
    private static func beside(
        _ row: String, _ name: String, _ sent: String, seconds: Double = 15, _ attacks: @escaping @Sendable (Service) -> [any Attack]
    ) -> Scenario {
        Scenario(row: row, name: name) { arena in
            try arena.withService(accounts: ["victim", "attacker", "other"], trainers: ["trainer"]) { service in
                let connection = try service.connection()
                for number in 0..<100 {
                    let made = try connection.exchange(
                        "POST", "/v2/personas", key: service.key("victim"),
                        json: Bodies.create(name: "V \(number)", images: Pictures.small(3)))
                    guard made.status == 201 else { throw MeasurementFailed("a create came to \(made.status)") }
                }
                let (runs, checks) = try Others.watch(
                    service, seed: arena.seed, attacks(service), seconds: seconds, megabytesMax: 100, secondsMax: 1)
                let counts = runs.reduce(into: [String: Int]()) { $0.merge($1.counts, uniquingKeysWith: +) }
                return Outcome(
                    sent: sent, checks: checks + [Check("what the attackers got", seen: AttackRun.text(counts), holds: true)])
            }
        }
    }
}

/// Connections made and closed as fast as one thread can.
struct NewConnections: Attack {
    let name = "new connections"

    func run(on service: Service, _ run: AttackRun) throws {
        run.ready()
        let request = RepeatedRequests.bytes("GET", "/nothing", headers: "Connection: close\r\n")
        while !run.isOver {
            do {
                _ = try service.connection(timeoutSeconds: 5).exchange(request)
                run.count("answered")
            } catch {
                run.count("\(error)")
                run.pause(0.01)
            }
        }
    }
}

import ErrorEnvelope
import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasCLI

/// Every code of the catalogue is raised, by whole exchanges, or has a reason why it is not.
@Suite("Every error code", .serialized)
struct EveryCodeTests {
    /// What files of a data folder bring about.
    private static let ofFolders: Set<ErrorCode> = [.internalError, .uploadFailed, .deleteFailed]

    @Test(
        "is raised by what it is for, with its status",
        arguments: ErrorCode.allCases.filter { TestPlace.isSQLite || !ofFolders.contains($0) })
    func isRaised(code: ErrorCode) async throws {
        if case .start(let flags) = code.trigger {
            let refusal = try #require(Self.refusal(toStartWith: flags))
            #expect(refusal.code == code.rawValue && refusal.status == .configuration, "\(refusal)")
        }
        guard let scene = code.trigger.scene else { return }
        let sight = try await scene.sight()
        #expect(sight.code == code, "\(scene.words)")
        if case .answered = code.trigger {
            #expect(sight.status == code.status)
        } else {
            #expect(sight.status == nil)
        }
    }

    /// Why there is no service with these settings; nil where there could be one. That the process ends with it, CodeEndToEndTests show.
    private static func refusal(toStartWith flags: [String: String]) -> CommandFailure? {
        do throws(Failure) {
            _ = try FalSettings(try Settings(flags: flags, configurationFile: nil, environment: [:]))
            return nil
        } catch {
            return CommandFailure(error)
        }
    }

    @Test("is told to people by how it comes about: as an answer, of an item, or by other services alone")
    func documented() throws {
        let rows = try MarkdownDocument("README.md").section("Errors").lines.filter { $0.hasPrefix("|") }
        for code in ErrorCode.allCases {
            let own = rows.filter { $0.contains("`\(code.rawValue)`") }
            let first = own.first?.split(separator: "|").first?.trimmingCharacters(in: .whitespaces)
            let expected =
                switch code.trigger {
                case .answered, .commanded, .start: "\(code.status)"
                case .item: "item"
                case .siblings: "–"
                }
            #expect(first == expected, "\(code.rawValue): \(own)")
        }
    }

    @Test("stands in one table with what raises it")
    func table() {
        var lines: [String] = []
        for code in ErrorCode.allCases {
            let words =
                switch code.trigger {
                case .answered(let scene): "answered to \(scene.words)"
                case .item(let scene): "error.code of an item: \(scene.words)"
                case .commanded(let scene): "said by \(scene.words)"
                // Started as people start it: see CodeEndToEndTests.
                case .start: "exit status 78 of a server that is not configured"
                case .siblings: "sent by sibling services alone"
                }
            lines.append("\(code.status) \(code.rawValue): \(words)")
        }
        #expect(Set(lines).count == ErrorCode.allCases.count)
        print(lines.joined(separator: "\n"))
    }
}

import ArgumentParser
import Hummingbird
import NIOCore
import TestSupport

/// What the service is compared with: Hummingbird with one route and nothing around it, in the same build.
struct HelloCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "hello", abstract: "Answer every GET /hello with a constant.")

    func run() async throws {
        let router = Router()
        router.get("/hello") { _, _ in "hello" }
        let application = Application(
            router: router, configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0), serverName: nil),
            onServerRunning: { channel in Console.note("listening at http://127.0.0.1:\(channel.localAddress?.port ?? 0)") })
        try await application.runService()
    }
}

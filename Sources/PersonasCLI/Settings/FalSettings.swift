import Foundation
import Personas
import PersonasHTTP
import PersonasOutbound

/// The settings of the trainer at fal, checked together: which of them are needed, and that they fit each other.
struct FalSettings: Sendable {
    let queue: FalQueueClient.Configuration
    let trainer: FalTrainer.Configuration
    /// Where fal publishes the keys of its webhooks, tried in their order.
    let keysURLs: [String]

    /// - Throws: `providerConfiguration` that names the first setting which is missing or cannot be.
    init(_ settings: Settings) throws(Failure) {
        let rules = DownloadURL.Rules(acceptsPlainHTTP: settings.developmentDownloads, acceptsLocalHosts: true, ports: nil)
        let key = try Self.named { () throws(Failure) in try settings.required(\.falKey) }
        guard key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Self.problem(\.falKey, "must be visible characters of ASCII")
        }
        guard let model = FalModel(try Self.named { () throws(Failure) in try settings.required(\.falModel) }) else {
            throw Self.problem(\.falModel, "must be of the form owner/app")
        }
        let template = try Self.template(try Self.named { () throws(Failure) in try settings.required(\.falInput) })
        let pointer = try Self.named { () throws(Failure) in try settings.required(\.falPortraitPointer) }
        guard let portrait = JSONPointer(pointer), portrait != .root else {
            throw Self.problem(\.falPortraitPointer, "must be a JSON pointer (RFC 6901) such as /images/0/url")
        }
        queue = FalQueueClient.Configuration(
            key: key, model: model, queueURL: try Self.url(\.falQueueURL, settings.falQueueURL, rules), rules: rules, portrait: portrait)
        _ = try Self.url(\.falKeysURL, settings.falKeysURL, rules)
        keysURLs = settings.source(of: \.falKeysURL) == .default ? FalWebhookKeys.defaultURLs : [settings.falKeysURL]
        // Webhooks and images are fetched by fal, which is somewhere else.
        let publicURL = try Self.named { () throws(Failure) in try settings.required(\.publicURL) }
        _ = try Self.url(\.publicURL, publicURL, rules)
        trainer = FalTrainer.Configuration(
            template: template, webhookURL: PublicURL(publicURL).falWebhookURL, timeoutSeconds: settings.falTimeoutSeconds,
            pollPause: settings.falPollPause)
    }

    /// What is missing here is missing of the provider's settings.
    private static func named<Value>(_ read: () throws(Failure) -> Value) throws(Failure) -> Value {
        do throws(Failure) {
            return try read()
        } catch {
            guard case .configuration(let setting, let reason) = error else { throw error }
            throw .providerConfiguration(setting: setting, reason: reason)
        }
    }

    private static func template(_ path: String) throws(Failure) -> FalTemplate {
        let bytes: [UInt8]
        do throws(GivenFile.ReadFailure) {
            bytes = try GivenFile.read(path, bytesMax: FalTemplate.bytesMax)
        } catch {
            throw problem(\.falInput, "names a file that cannot be read: \(path) (\(error.reason))")
        }
        do throws(FalTemplate.Problem) {
            return try FalTemplate(bytes)
        } catch {
            throw problem(\.falInput, "\(error.reason) (in \(path))")
        }
    }

    private static func url<Value>(
        _ declaration: KeyPath<SettingsList, Setting<Value>>, _ text: String, _ rules: DownloadURL.Rules
    ) throws(Failure) -> DownloadURL {
        guard let url = try? DownloadURL(text, rules: rules), url.query == nil else {
            let schemes = rules.acceptsPlainHTTP ? "https:// or http://" : "https:// (http:// with development-downloads alone)"
            throw problem(declaration, "must be an address that begins with \(schemes)")
        }
        return url
    }

    private static func problem<Value>(_ declaration: KeyPath<SettingsList, Setting<Value>>, _ reason: String) -> Failure {
        .providerConfiguration(setting: SettingsList.declared[keyPath: declaration].definition.name, reason: reason)
    }
}

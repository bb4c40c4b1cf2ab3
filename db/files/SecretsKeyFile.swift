import Crypto
import Foundation
package import Personas
import Synchronization

/// Seals secrets (ChaCha20-Poly1305) with a key that lies in a file of its own, so that neither the database nor a copy of it gives them away.
///
/// The file holds one key, or while it is being replaced two, the present one first; so that whatever the moment at which the process ends, everything
/// that was sealed opens with what is there.
package final class SecretsKeyFile: SecretSealing {
    /// The setting that names the file.
    private static let setting = "secrets-key-file"
    private static let keyBytes = 32
    private static let separator: Character = " "
    /// The form in which secrets are sealed, which stands before everything else.
    private static let form: UInt8 = 1
    private static let keyIDBytes = 4
    private static let headBytes = 1 + keyIDBytes

    private struct Key {
        let key: SymmetricKey

        /// What tells it from others without telling anything of it.
        var id: [UInt8] { key.withUnsafeBytes { Array(SHA256.hash(data: $0).prefix(SecretsKeyFile.keyIDBytes)) } }

        var text: String { key.withUnsafeBytes { Data($0).base64EncodedString() } }
    }

    private struct State {
        /// Those of the file, the present one first; empty before it was read, or made.
        var keys: [Key] = []
        /// Those that were there before, for whoever has read something just before it was sealed anew.
        var retired: [Key] = []
    }

    private let file: SecretFile
    private let hasSealedSecrets: @Sendable () throws(Failure) -> Bool
    private let state = Mutex(State())

    /// - Parameter hasSealedSecrets: whether there is something that another key has sealed. Where the file is gone, no new key is made up then: that would
    ///   only hide that the old one is needed.
    package init(path: String, hasSealedSecrets: @escaping @Sendable () throws(Failure) -> Bool) {
        file = SecretFile(path)
        self.hasSealedSecrets = hasSealedSecrets
    }

    package func seal(_ secret: WebhookSecret, for endpointID: Identifier) throws(Failure) -> SealedSecret {
        let key = try state.withLock { (state) throws(Failure) in
            try load(&state)
            if let key = state.keys.first { return key }
            guard try !hasSealedSecrets() else { throw lost }
            let key = Key(key: SymmetricKey(size: .bits256))
            try write([key])
            state.keys = [key]
            return key
        }
        do {
            let box = try ChaChaPoly.seal(secret.bytes, using: key.key, authenticating: endpointID.bytes)
            return SealedSecret(bytes: [Self.form] + key.id + [UInt8](box.combined))
        } catch {
            throw .unexpected("A secret could not be sealed")
        }
    }

    package func open(_ sealed: SealedSecret, for endpointID: Identifier) throws(Failure) -> WebhookSecret {
        let (form, id) = (sealed.bytes.first, sealed.bytes.dropFirst().prefix(Self.keyIDBytes))
        let key = try state.withLock { (state) throws(Failure) in
            try load(&state)
            return (state.keys + state.retired).first { $0.id.elementsEqual(id) }
        }
        guard form == Self.form, let key else { throw lost }
        do {
            let box = try ChaChaPoly.SealedBox(combined: sealed.bytes.dropFirst(Self.headBytes))
            return WebhookSecret(bytes: [UInt8](try ChaChaPoly.open(box, using: key.key, authenticating: endpointID.bytes)))
        } catch {
            throw .unexpected("The secret of the webhook \(endpointID.text) does not open: it was changed, or sealed for another")
        }
    }

    /// Looks before anything is asked for whether secrets can be sealed and opened.
    /// - Returns: whether the key is there that they were sealed with; without it nothing but webhooks is amiss, and it may be brought back at any time.
    /// - Throws: `configuration` where the file is no such file, or none can be made.
    package func isUsable() throws(Failure) -> Bool {
        try state.withLock { (state) throws(Failure) in
            try load(&state)
            guard state.keys.isEmpty else { return true }
            guard access((file.path as NSString).deletingLastPathComponent, W_OK | X_OK) == 0 else {
                throw .configuration(setting: Self.setting, reason: "the file \(file.path) cannot be made: its folder is missing or closed")
            }
            return try !hasSealedSecrets()
        }
    }

    /// Whether something is sealed with the present key.
    func isCurrent(_ sealed: SealedSecret) -> Bool {
        state.withLock { $0.keys.first?.id }?.elementsEqual(sealed.bytes.dropFirst().prefix(Self.keyIDBytes)) ?? false
    }

    /// Begins to seal with another key, made up now; what was sealed before goes on being opened.
    func beginRotation() throws(Failure) {
        try state.withLock { (state) throws(Failure) in
            try load(&state)
            // One that was begun is gone on with: a third key would be one too many.
            guard state.keys.count < 2 else { return }
            if state.keys.isEmpty, try hasSealedSecrets() { throw lost }
            let keys = [Key(key: SymmetricKey(size: .bits256))] + state.keys
            try write(keys)
            state.keys = keys
        }
    }

    /// Forgets every key but the present one, because nothing is sealed with others any more.
    func endRotation() throws(Failure) {
        try state.withLock { (state) throws(Failure) in
            guard let present = state.keys.first, state.keys.count > 1 else { return }
            try write([present])
            state.retired += state.keys.dropFirst()
            state.keys = [present]
        }
    }

    /// Reads the file, unless that was done.
    private func load(_ state: inout State) throws(Failure) {
        guard state.keys.isEmpty, PosixFile.exists(file.path) else { return }
        let texts = file.read()?.split(separator: Self.separator, omittingEmptySubsequences: false) ?? []
        let keys = texts.compactMap { Data(base64Encoded: String($0)) }.filter { $0.count == Self.keyBytes }
        guard !keys.isEmpty, keys.count == texts.count else {
            let reason = "it has to be a regular file of the user of the service, for nobody else to read, as the service has made it"
            throw .configuration(setting: Self.setting, reason: "the file \(file.path) cannot be used: \(reason)")
        }
        state.keys = keys.map { Key(key: SymmetricKey(data: $0)) }
    }

    private func write(_ keys: [Key]) throws(Failure) {
        try file.write(keys.map(\.text).joined(separator: String(Self.separator)))
    }

    private var lost: Failure {
        .configuration(
            setting: Self.setting,
            reason: "the file \(file.path) does not hold the key that secrets of webhooks are sealed with; bring back the one that does")
    }
}

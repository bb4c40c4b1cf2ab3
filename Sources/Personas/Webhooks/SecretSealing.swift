/// A secret in the form in which it may be stored: of no use to whoever has the store alone.
package struct SealedSecret: Sendable, Equatable {
    /// What is stored.
    package let bytes: [UInt8]

    package init(bytes: [UInt8]) {
        self.bytes = bytes
    }
}

/// Seals the secrets of endpoints, each for its endpoint alone: what was sealed for one does not open for another.
package protocol SecretSealing: Sendable {
    /// Seals a secret. Where there is no key for that yet, one is made and is on disk when this returns.
    /// - Throws: `configuration` where there is a key that cannot be used, and what files throw.
    func seal(_ secret: WebhookSecret, for endpointID: Identifier) throws(Failure) -> SealedSecret
    /// Opens what was sealed.
    /// - Throws: `configuration` where the key that it takes is not there.
    func open(_ sealed: SealedSecret, for endpointID: Identifier) throws(Failure) -> WebhookSecret
}

/// Has the secrets of all endpoints sealed with another key.
package protocol SecretsKeyRotation: Sendable {
    /// Makes up another key, seals everything with it, some of it at a time, and forgets the one before. What was cut short is gone on with by the next
    /// call, whatever the moment at which it ended.
    /// - Returns: how many endpoints there were whose secrets were sealed anew.
    /// - Throws: `configuration` where the key that there is cannot be used, what files throw, `cancelled`.
    func rotate(in context: WriteContext<Int>, progress: @escaping ProgressHandler) async throws(Failure) -> Int
}

import NIOSSL
package import Personas
import Synchronization

/// Whom connections to the outside trust. Shared by all that make some, because certificates are read once: doing so costs 25 ms.
package final class OutboundTrust: Sendable {
    private let configuration: Mutex<TLSConfiguration?>

    /// - Parameter file: PEM certificates to trust instead of the system's; nil for those, which are read when the first connection is made.
    /// - Throws: `configuration` where the named file cannot be read.
    package init(file: String? = nil) throws(Failure) {
        guard let file else {
            configuration = Mutex(nil)
            return
        }
        guard let certificates = try? NIOSSLCertificate.fromPEMFile(file) else {
            throw .configuration(setting: "download-trust-roots", reason: "holds no certificates that can be read")
        }
        configuration = Mutex(Self.trusting(.certificates(certificates)))
    }

    /// What a connection is made secure with: TLS 1.2 or later, and a certificate for the name of the host.
    var tls: TLSConfiguration {
        configuration.withLock { configuration in
            if let configuration { return configuration }
            let made = Self.trusting(Self.systemRoots)
            configuration = made
            return made
        }
    }

    private static var systemRoots: NIOSSLTrustRoots {
        // Debian and its kin, then Red Hat and its kin.
        let files = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]
        return files.lazy.compactMap { try? NIOSSLCertificate.fromPEMFile($0) }.first.map { .certificates($0) } ?? .default
    }

    private static func trusting(_ roots: NIOSSLTrustRoots) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        tls.certificateVerification = .fullVerification
        tls.trustRoots = roots
        return tls
    }
}

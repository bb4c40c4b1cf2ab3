/// A certificate authority and a server certificate that only these tests trust, valid from 2020 to 2119.
///
/// The authority's key was thrown away; a new set comes from `openssl ca` with the same names.
enum TestCertificates {
    /// The names that the certificate is good for.
    static let names = ["img.example.test", "other.example.test"]

    static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIBZTCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9FeGFtcGxl
        IFRlc3QgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBoxGDAW
        BgNVBAMMD0V4YW1wbGUgVGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
        BOHSAvzFdQIDaExAuPjHF/Vi0C/SJtUrzhG6AuvGXPkaZvh+Aq8ZZIzR4E+0F2AU
        ntMHkOtoLfO40KyEq+wKWKyjQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/
        BAQDAgIEMB0GA1UdDgQWBBT8yuR/1+tNfugQHiHuVGeHtSsh7DAKBggqhkjOPQQD
        AgNGADBDAiBkoCtO0pawLiq9e6yZx2n3HhsyS5SYOoO4VrFVlEBmxgIfe1jRJd3R
        uqQ9dvPs+txgsnZ/Pi65chcemdmO4GO9ww==
        -----END CERTIFICATE-----
        """

    static let server = """
        -----BEGIN CERTIFICATE-----
        MIIBuzCCAWGgAwIBAgIBAjAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9FeGFtcGxl
        IFRlc3QgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBsxGTAX
        BgNVBAMMEGltZy5leGFtcGxlLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
        AARzckLVaGY3mjMrjFKD2WPAzfxP5rQmEhxH9nYkJgWh56zzZf8PTQJR3+lQZa7e
        YFpsEYjpeo8m7KkdB/nRB5Ueo4GUMIGRMAkGA1UdEwQCMAAwLwYDVR0RBCgwJoIQ
        aW1nLmV4YW1wbGUudGVzdIISb3RoZXIuZXhhbXBsZS50ZXN0MBMGA1UdJQQMMAoG
        CCsGAQUFBwMBMB0GA1UdDgQWBBR/bT7hBip16vVb8h5L+II5IxOC/TAfBgNVHSME
        GDAWgBT8yuR/1+tNfugQHiHuVGeHtSsh7DAKBggqhkjOPQQDAgNIADBFAiBjF5qA
        Cq2QS/dXiFuxX32Gec12541w5bgK7h47656opwIhALyI2TKBYTKgr08HgJju/e6D
        NTy3dY43ns4y4vTS0aQ0
        -----END CERTIFICATE-----
        """

    static let serverKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgp6hGcg7ZedI5FtzT
        wuEAwFyteyFNzKYSZp/eF1tFpo2hRANCAARzckLVaGY3mjMrjFKD2WPAzfxP5rQm
        EhxH9nYkJgWh56zzZf8PTQJR3+lQZa7eYFpsEYjpeo8m7KkdB/nRB5Ue
        -----END PRIVATE KEY-----
        """
}

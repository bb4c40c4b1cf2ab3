import Testing

@testable import PersonasOutbound

/// A URL as a stranger may send it, and what becomes of it: another text, or a problem.
struct URLVector: Sendable, CustomTestStringConvertible {
    let text: String
    let result: Result<String, DownloadURL.Problem>

    static func taken(_ text: String, as rebuilt: String? = nil) -> URLVector { URLVector(text: text, result: .success(rebuilt ?? text)) }
    static func malformed(_ text: String) -> URLVector { URLVector(text: text, result: .failure(.malformed)) }
    static func forbidden(_ text: String) -> URLVector { URLVector(text: text, result: .failure(.forbidden)) }

    var testDescription: String { String(text.prefix(80)).debugDescription }

    static func outcome(of body: () throws(DownloadURL.Problem) -> DownloadURL) -> Result<String, DownloadURL.Problem> {
        do {
            return .success(try body().text)
        } catch {
            return .failure(error)
        }
    }
}

@Suite("Download URL")
struct DownloadURLTests {
    static let strict: [URLVector] = [
        .taken("https://example.com", as: "https://example.com/"),
        .taken("https://example.com/a/b.jpg?x=1&y=2"),
        .taken("HTTPS://IMG.Example.COM/A", as: "https://img.example.com/A"),
        .taken("https://example.com:443/a", as: "https://example.com/a"),
        .taken("https://example.com./a", as: "https://example.com/a"),
        .taken("https://xn--bcher-kva.example/a"),
        .taken("https://r4---sn-4g5e6nz7.example.com/a"),
        .taken("https://example.com/a#fragment", as: "https://example.com/a"),
        .taken("https://example.com?q", as: "https://example.com/?q"),
        .taken("https://example.com/?"),
        .taken("https://example.com/a/./b/../c/..", as: "https://example.com/a/"),
        .taken("https://example.com/../../etc/passwd", as: "https://example.com/etc/passwd"),
        .taken("https://example.com//a//b"),
        .taken("https://example.com/a%20b%2fc?sig=a%2Bb%3D"),
        .taken("https://example.com/100%/a|b?x[]=<1>\"^`{}", as: "https://example.com/100%25/a%7Cb?x%5B%5D=%3C1%3E%22%5E%60%7B%7D"),
        .taken(
            "https://example.com/a@b:c?url=https://user:pass@127.0.0.1/#x", as: "https://example.com/a@b:c?url=https://user:pass@127.0.0.1/"
        ),
        .taken("https://example.com/?X-Amz-Signature=" + String(repeating: "a", count: 6_000)),
        .malformed("https://example.com/?X-Amz-Signature=" + String(repeating: "a", count: 9_000)),
        .malformed(""),
        .malformed("example.com/a.jpg"),
        .malformed("//example.com/a.jpg"),
        .malformed("http://example.com/a.jpg"),
        .malformed("ftp://example.com/a"),
        .malformed("file:///etc/passwd"),
        .malformed("gopher://example.com/_GET"),
        .malformed("data:image/png;base64,AAAA"),
        .malformed("javascript:alert(1)"),
        .malformed("unix:///var/run/docker.sock"),
        .malformed("http+unix://%2Fvar%2Frun%2Fdocker.sock/info"),
        .malformed("https+unix://%2Fvar%2Frun%2Fdocker.sock/info"),
        .malformed("https:example.com"),
        .malformed("https:/example.com/a"),
        .malformed("https:///example.com/a"),
        .malformed("https://"),
        .malformed("https://user@example.com/"),
        .malformed("https://user:password@example.com/"),
        .malformed("https://@example.com/"),
        .malformed("https://example.com@127.0.0.1/"),
        .malformed("https://example.com%40127.0.0.1/"),
        .malformed("https://example.com\\@127.0.0.1/"),
        .malformed("https:\\\\example.com/"),
        .malformed("https://example.com/a\\b"),
        .malformed("https://example.com/a b"),
        .malformed(" https://example.com/"),
        .malformed("https://example.com/\r\nHost: internal"),
        .malformed("https://example.com/\r\n"),
        .malformed("https://example.com/\n"),
        .malformed("https://example.com/\t"),
        .malformed("https://exa\tmple.com/"),
        .malformed("https://example.com/\0"),
        .malformed("https://example.com/\u{7f}"),
        .malformed("https://ex%61mple.com/"),
        .malformed("https://127%2e0%2e0%2e1/"),
        .malformed("https://ⓔxample.com/"),
        .malformed("https://exam\u{ad}ple.com/"),
        .malformed("https://１２７.0.0.1/"),
        .malformed("https://127。0。0。1/"),
        .malformed("https://bücher.example/"),
        .malformed("https://example.com/ü"),
        .malformed("https://example.com/\u{202e}gpj.a"),
        .malformed("https://exa_mple.com/"),
        .malformed("https://-example.com/"),
        .malformed("https://example-.com/"),
        .malformed("https://example..com/"),
        .malformed("https://.example.com/"),
        .malformed("https://example.com../"),
        .malformed("https://./"),
        .malformed("https://*.example.com/"),
        .malformed("https://example.com,127.0.0.1/"),
        .malformed("https://" + String(repeating: "a", count: 64) + ".example.com/"),
        .malformed("https://" + Array(repeating: String(repeating: "a", count: 50), count: 6).joined(separator: ".") + "/"),
        .malformed("https://example.com:/"),
        .malformed("https://example.com:0/"),
        .malformed("https://example.com:0443/"),
        .malformed("https://example.com:65536/"),
        .malformed("https://example.com:-443/"),
        .malformed("https://example.com:443a/"),
        .malformed("https://example.com:443:22/"),
        .malformed("https://example.com:99999999999999999999/"),
        .malformed("https://[::1/"),
        .malformed("https://[::1]a/"),
        .malformed("https://[]/"),
        .malformed("https://[127.0.0.1]/"),
        .malformed("https://[fe80::1%25eth0]/"),
        .malformed("https://[fe80::1%eth0]/"),
        .malformed("https://[v1.a]/"),
        .malformed("https://::1/"),
        .forbidden("https://example.com:80/"),
        .forbidden("https://example.com:22/"),
        .forbidden("https://example.com:8443/"),
        .forbidden("https://localhost/"),
        .forbidden("https://metadata/"),
        .forbidden("https://127.0.0.1/"),
        .forbidden("https://8.8.8.8/"),
        .forbidden("https://127.0.0.1./"),
        .forbidden("https://127.1/"),
        .forbidden("https://127.0.1/"),
        .forbidden("https://2130706433/"),
        .forbidden("https://0x7f000001/"),
        .forbidden("https://0x7f.1/"),
        .forbidden("https://0177.0.0.1/"),
        .forbidden("https://017700000001/"),
        .forbidden("https://0/"),
        .forbidden("https://256.256.256.256/"),
        .forbidden("https://example.0x1/"),
        .forbidden("https://example.com.1/"),
        .forbidden("https://[::1]/"),
        .forbidden("https://[::ffff:127.0.0.1]/"),
        .forbidden("https://[::ffff:7f00:1]/"),
        .forbidden("https://[64:ff9b::7f00:1]/"),
        .forbidden("https://[2001:4860:4860::8888]/"),
    ]

    @Test("A stranger's URL is rebuilt or refused", arguments: strict)
    func strangersURL(vector: URLVector) {
        #expect(URLVector.outcome { () throws(DownloadURL.Problem) in try DownloadURL(vector.text, rules: .strict) } == vector.result)
    }

    @Test("A rebuilt URL is rebuilt to itself", arguments: strict)
    func rebuildingIsStable(vector: URLVector) throws {
        guard case .success(let text) = vector.result else { return }
        #expect(try DownloadURL(text, rules: .strict).text == text)
    }

    static let development: [URLVector] = [
        .taken("http://example.com/a"),
        .taken("http://localhost:8080/a"),
        .taken("http://localhost:80/a", as: "http://localhost/a"),
        .taken("https://127.0.0.1:8443/a"),
        .taken("http://127.0.0.1:443/a"),
        .taken("http://[::1]:8080/a", as: "http://[0:0:0:0:0:0:0:1]:8080/a"),
        .malformed("http://[fe80::1%25eth0]/"),
        .malformed("http://user@localhost/"),
        .malformed("file:///etc/passwd"),
        .forbidden("http://127.1/"),
        .forbidden("http://0177.0.0.1/"),
        .forbidden("http://2130706433/"),
    ]

    @Test("A developer's URL may name the own machine, in the usual forms", arguments: development)
    func developersURL(vector: URLVector) {
        #expect(URLVector.outcome { () throws(DownloadURL.Problem) in try DownloadURL(vector.text, rules: .development) } == vector.result)
    }

    static let redirects: [URLVector] = [
        .taken("", as: "https://example.com/a/b?q=1"),
        .taken("#top", as: "https://example.com/a/b?q=1"),
        .taken("?r=2", as: "https://example.com/a/b?r=2"),
        .taken("c.jpg", as: "https://example.com/a/c.jpg"),
        .taken("./c/d?x", as: "https://example.com/a/c/d?x"),
        .taken("../../../c", as: "https://example.com/c"),
        .taken("..", as: "https://example.com/"),
        .taken("/c?x", as: "https://example.com/c?x"),
        .taken("//other.example.com/c", as: "https://other.example.com/c"),
        .taken("https://other.example.com/c"),
        .malformed("http://example.com/a/b"),
        .malformed("HTTP://127.0.0.1/"),
        .malformed("c:d"),
        .malformed("/a b"),
        .malformed("/\\evil.example.com"),
        .malformed("\\\\evil.example.com"),
        .malformed("///example.com/"),
        .malformed("//user@example.com/"),
        .malformed("/ü"),
        .forbidden("//127.0.0.1/c"),
        .forbidden("https://169.254.169.254/latest/meta-data/"),
        .forbidden("https://[::1]/"),
        .forbidden("//localhost/"),
        .forbidden("https://example.com:8080/"),
    ]

    @Test("A redirect is resolved under the same rules", arguments: redirects)
    func resolvedRedirect(vector: URLVector) throws {
        let base = try DownloadURL("https://example.com/a/b?q=1", rules: .strict)
        #expect(URLVector.outcome { () throws(DownloadURL.Problem) in try base.following(vector.text, rules: .strict) } == vector.result)
    }
}

import Foundation

/// Programs that tests use and that `.ci/test-tools` installs: a browser, and what `Tests/test-tools.txt` names.
package enum TestTools {
    /// Debian's Chromium.
    package static let browser = "/usr/bin/chromium"

    /// Debian's nginx, unpacked and not installed: no service is started, and none will be.
    /// - Throws: `MeasurementFailed` where it is not there.
    package static func nginx() throws -> String { try installed(".build/nginx/usr/sbin/nginx") }

    /// The folder that holds the sources of all tests.
    package static let tests = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// The path of a program of the virtual environment, such as `python` or `st`.
    /// - Throws: `MeasurementFailed` where it is not installed.
    package static func path(of name: String) throws -> String { try installed(".build/test-tools/bin/\(name)") }

    private static func installed(_ name: String) throws -> String {
        let path = URL(fileURLWithPath: tests).deletingLastPathComponent().path + "/\(name)"
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw MeasurementFailed("\(name) is not installed; .ci/test-tools installs it")
        }
        return path
    }
}

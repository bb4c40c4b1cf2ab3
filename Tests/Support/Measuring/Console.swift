import Foundation

/// Where measuring programs speak.
package enum Console {
    /// The result.
    package static func line(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

    /// Progress, and what went wrong.
    package static func note(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}

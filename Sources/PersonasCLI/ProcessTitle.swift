import Foundation

/// The command line of this process, as `ps` and `/proc/PID/cmdline` show it to every user of the machine.
enum ProcessTitle {
    /// Puts asterisks in the place of a secret that was given as an argument, bare or behind an equals sign.
    ///
    /// Until this has run the argument can be read, for some hundredths of a second; from the environment or from a configuration file it never
    /// can. The arguments that were parsed are copies and stay as they are.
    static func hide(_ secret: String) {
        #if os(Linux)
            let bytes = Array(secret.utf8)
            guard !bytes.isEmpty else { return }
            for index in 1..<max(1, Int(CommandLine.argc)) {
                guard let argument = CommandLine.unsafeArgv[index] else { continue }
                let count = strlen(argument)
                guard count >= bytes.count else { continue }
                let end = UnsafeMutableRawBufferPointer(start: argument + (count - bytes.count), count: bytes.count)
                guard end.elementsEqual(bytes) else { continue }
                for place in end.indices { end[place] = UInt8(ascii: "*") }
            }
        #endif
    }
}

import Foundation

/// Users of this machine, by number.
enum UserNames {
    /// Bytes for what the system knows of a user.
    private static let entryBytesMax = 65_536

    /// What a person knows a user by: the number, and the name where the system knows one.
    static func named(_ uid: UInt32) -> String {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: entryBytesMax) { room in
            guard let start = room.baseAddress, getpwuid_r(uid, &entry, start, room.count, &found) == 0, found != nil,
                let name = entry.pw_name
            else { return String(uid) }
            return "\(uid) (\(String(cString: name)))"
        }
    }
}

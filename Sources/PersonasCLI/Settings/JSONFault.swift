import Foundation

/// Where a file that is to be JSON is not.
enum JSONFault {
    /// The line, counted from 1, nil where all of it is JSON, or where the parser does not say.
    static func line(in data: Data) -> Int? {
        do {
            // The older parser of Foundation, because the newer one can be made to stop the process by deep nesting.
            _ = try JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)
            return nil
        } catch {
            // Its words are never shown, but they alone say where it stopped.
            let words = (error as NSError).userInfo[NSDebugDescriptionErrorKey] as? String ?? ""
            let place = words.firstMatch(of: /around character ([0-9]+)/).flatMap { Int($0.output.1) }
            guard let place else { return words.contains("end of file") ? line(at: data.count, of: data) : nil }
            return line(at: place, of: data)
        }
    }

    private static func line(at place: Int, of data: Data) -> Int { 1 + data.prefix(place).count { $0 == UInt8(ascii: "\n") } }
}

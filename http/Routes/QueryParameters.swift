import Personas

/// The parameters of a query, as browsers, forms and clients' libraries write them. Names are told apart by their bytes.
struct QueryParameters {
    private let pairs: [(name: Substring.UTF8View, value: Substring.UTF8View)]

    /// Takes apart what follows the question mark of a target.
    init(_ query: String?) {
        pairs = (query ?? "")[...].utf8.split(separator: UInt8(ascii: "&")).map { pair in
            let end = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            return (pair[..<end], pair[end...].dropFirst())
        }
    }

    /// The value of a parameter, the first where there are several; nil where there is none.
    ///
    /// A plus is a space. What is percent-encoded is decoded; a value in which that makes no sense stays as it is.
    func value(of name: String) -> String? {
        guard let value = pairs.first(where: { $0.name.elementsEqual(name.utf8) })?.value else { return nil }
        return Self.decoded(value) ?? String(decoding: value, as: UTF8.self)
    }

    /// How often a parameter is given.
    func count(of name: String) -> Int { pairs.count { $0.name.elementsEqual(name.utf8) } }

    /// Whether there are parameters of other names than these.
    func hasOthers(than names: [String]) -> Bool {
        pairs.contains { pair in !names.contains { pair.name.elementsEqual($0.utf8) } }
    }

    /// The parameters that are members of one, `name[key]=value`, in their order; the brackets may be percent-encoded. What is called so, but is not
    /// of that form, has no key.
    func members(of name: String) -> [(key: String?, value: String)] {
        pairs.filter { $0.name.starts(with: name.utf8) }.compactMap { pair in
            let rest = pair.name.dropFirst(name.utf8.count)
            let value = Self.decoded(pair.value) ?? String(decoding: pair.value, as: UTF8.self)
            guard let brackets = Self.decoded(rest)?.utf8 else { return (nil, value) }
            if brackets.isEmpty { return (nil, value) }
            guard brackets.first == UInt8(ascii: "[") else { return nil }
            guard brackets.last == UInt8(ascii: "]") else { return (nil, value) }
            return (String(Substring(brackets.dropFirst().dropLast())), value)
        }
    }

    /// The value of a parameter that is `true` or `false`, as it is where there is none.
    /// - Throws: `invalid` for anything else, and where there are several.
    func flag(_ name: String) throws(Failure) -> Bool {
        guard count(of: name) <= 1 else {
            throw .invalid([Violation(name, "must be given only once")])
        }
        guard let value = value(of: name) else { return false }
        if value.utf8.elementsEqual("true".utf8) { return true }
        if value.utf8.elementsEqual("false".utf8) { return false }
        throw .invalid([Violation(name, "must be true or false")])
    }

    private static func decoded(_ text: Substring.UTF8View) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var rest = text.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(digit), let low = rest.next().flatMap(digit) else { return nil }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}

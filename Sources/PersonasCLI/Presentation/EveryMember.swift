/// A value whose JSON has every member, null included: what a program reads has the same members whatever is in it.
///
/// A synthesised `encode(to:)` asks a container to encode a member if it is there, which the container of an encoder takes for leaving it out. Those
/// that are handed out here write null. So it holds for every report, and none has to write its members by hand.
struct EveryMember<Value: Encodable>: Encodable {
    let value: Value

    func encode(to encoder: any Encoder) throws {
        // The members of a dictionary are data: names that the encoder must neither add to nor change, which it knows of dictionaries alone.
        if Value.self is any TextKeyed.Type {
            var container = encoder.singleValueContainer()
            try container.encode(value)
        } else {
            try value.encode(to: WholeEncoder(base: encoder))
        }
    }
}

/// A dictionary that is an object in JSON.
private protocol TextKeyed {}

extension Dictionary: TextKeyed where Key == String {}

/// An encoder all of whose containers write members that are nil.
private struct WholeEncoder: Encoder {
    let base: any Encoder
    var codingPath: [any CodingKey] { base.codingPath }
    var userInfo: [CodingUserInfoKey: Any] { base.userInfo }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(WholeMembers(base: base.container(keyedBy: type)))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer { WholeElements(base: base.unkeyedContainer()) }

    func singleValueContainer() -> any SingleValueEncodingContainer { WholeValue(base: base.singleValueContainer()) }
}

private struct WholeMembers<Key: CodingKey>: KeyedEncodingContainerProtocol {
    var base: KeyedEncodingContainer<Key>
    var codingPath: [any CodingKey] { base.codingPath }

    mutating func encodeNil(forKey key: Key) throws { try base.encodeNil(forKey: key) }

    mutating func encode<Member: Encodable>(_ value: Member, forKey key: Key) throws {
        try base.encode(EveryMember(value: value), forKey: key)
    }

    mutating func encodeIfPresent<Member: Encodable>(_ value: Member?, forKey key: Key) throws {
        if let value { try encode(value, forKey: key) } else { try encodeNil(forKey: key) }
    }

    mutating func encodeIfPresent(_ value: Bool?, forKey key: Key) throws { try encodeIfPresent(value.map(EveryMember.init), forKey: key) }
    mutating func encodeIfPresent(_ value: String?, forKey key: Key) throws {
        try encodeIfPresent(value.map(EveryMember.init), forKey: key)
    }
    mutating func encodeIfPresent(_ value: Double?, forKey key: Key) throws {
        try encodeIfPresent(value.map(EveryMember.init), forKey: key)
    }
    mutating func encodeIfPresent(_ value: Float?, forKey key: Key) throws { try encodeIfPresent(value.map(EveryMember.init), forKey: key) }
    mutating func encodeIfPresent(_ value: Int?, forKey key: Key) throws { try encodeIfPresent(value.map(EveryMember.init), forKey: key) }
    mutating func encodeIfPresent(_ value: Int8?, forKey key: Key) throws { try encodeIfPresent(value.map(EveryMember.init), forKey: key) }
    mutating func encodeIfPresent(_ value: Int16?, forKey key: Key) throws { try encodeIfPresent(value.map(EveryMember.init), forKey: key) }
    mutating func encodeIfPresent(_ value: Int32?, forKey key: Key) throws { try encodeIfPresent(value.map(EveryMember.init), forKey: key) }
    mutating func encodeIfPresent(_ value: Int64?, forKey key: Key) throws { try encodeIfPresent(value.map(EveryMember.init), forKey: key) }
    mutating func encodeIfPresent(_ value: UInt?, forKey key: Key) throws { try encodeIfPresent(value.map(EveryMember.init), forKey: key) }
    mutating func encodeIfPresent(_ value: UInt8?, forKey key: Key) throws { try encodeIfPresent(value.map(EveryMember.init), forKey: key) }
    mutating func encodeIfPresent(_ value: UInt16?, forKey key: Key) throws {
        try encodeIfPresent(value.map(EveryMember.init), forKey: key)
    }
    mutating func encodeIfPresent(_ value: UInt32?, forKey key: Key) throws {
        try encodeIfPresent(value.map(EveryMember.init), forKey: key)
    }
    mutating func encodeIfPresent(_ value: UInt64?, forKey key: Key) throws {
        try encodeIfPresent(value.map(EveryMember.init), forKey: key)
    }

    mutating func nestedContainer<NestedKey: CodingKey>(
        keyedBy keyType: NestedKey.Type, forKey key: Key
    ) -> KeyedEncodingContainer<NestedKey> {
        KeyedEncodingContainer(WholeMembers<NestedKey>(base: base.nestedContainer(keyedBy: keyType, forKey: key)))
    }

    mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        WholeElements(base: base.nestedUnkeyedContainer(forKey: key))
    }

    mutating func superEncoder() -> any Encoder { WholeEncoder(base: base.superEncoder()) }

    mutating func superEncoder(forKey key: Key) -> any Encoder { WholeEncoder(base: base.superEncoder(forKey: key)) }
}

private struct WholeElements: UnkeyedEncodingContainer {
    var base: any UnkeyedEncodingContainer
    var codingPath: [any CodingKey] { base.codingPath }
    var count: Int { base.count }

    mutating func encodeNil() throws { try base.encodeNil() }

    mutating func encode<Element: Encodable>(_ value: Element) throws { try base.encode(EveryMember(value: value)) }

    mutating func nestedContainer<NestedKey: CodingKey>(keyedBy keyType: NestedKey.Type) -> KeyedEncodingContainer<NestedKey> {
        KeyedEncodingContainer(WholeMembers(base: base.nestedContainer(keyedBy: keyType)))
    }

    mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { WholeElements(base: base.nestedUnkeyedContainer()) }

    mutating func superEncoder() -> any Encoder { WholeEncoder(base: base.superEncoder()) }
}

/// A value of one part. What is made of others comes here as it is and is wrapped again; the texts, numbers and truth values that it ends with are the
/// encoder's own.
private struct WholeValue: SingleValueEncodingContainer {
    var base: any SingleValueEncodingContainer
    var codingPath: [any CodingKey] { base.codingPath }

    mutating func encodeNil() throws { try base.encodeNil() }
    mutating func encode(_ value: Bool) throws { try base.encode(value) }
    mutating func encode(_ value: String) throws { try base.encode(value) }
    mutating func encode(_ value: Double) throws { try base.encode(value) }
    mutating func encode(_ value: Float) throws { try base.encode(value) }
    mutating func encode(_ value: Int) throws { try base.encode(value) }
    mutating func encode(_ value: Int8) throws { try base.encode(value) }
    mutating func encode(_ value: Int16) throws { try base.encode(value) }
    mutating func encode(_ value: Int32) throws { try base.encode(value) }
    mutating func encode(_ value: Int64) throws { try base.encode(value) }
    mutating func encode(_ value: UInt) throws { try base.encode(value) }
    mutating func encode(_ value: UInt8) throws { try base.encode(value) }
    mutating func encode(_ value: UInt16) throws { try base.encode(value) }
    mutating func encode(_ value: UInt32) throws { try base.encode(value) }
    mutating func encode(_ value: UInt64) throws { try base.encode(value) }
    mutating func encode<Part: Encodable>(_ value: Part) throws { try base.encode(EveryMember(value: value)) }
}

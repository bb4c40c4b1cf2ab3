import PersonasWire
import Testing

@Suite("Entity tags in a header")
struct EntityTagListTests {
    private static func tag(_ opaque: String, isWeak: Bool = false) -> EntityTag { EntityTag(opaque: Array(opaque.utf8), isWeak: isWeak) }

    private static let wellFormed: [(field: String, tags: [EntityTag])] = [
        (#""a""#, [tag("a")]), (#"W/"a""#, [tag("a", isWeak: true)]), (#""""#, [tag("")]), (#""a","b""#, [tag("a"), tag("b")]),
        (#"  "a" ,, W/"b"  ,"#, [tag("a"), tag("b", isWeak: true)]), (#""a,b""#, [tag("a,b")]), (#""*""#, [tag("*")]),
        (#""é\""#, [tag(#"é\"#)]), ("\t\"a\"\t", [tag("a")]), (#""W/""#, [tag("W/")]),
    ]

    @Test("are found, with commas between them or within", arguments: wellFormed)
    func lists(field: String, tags: [EntityTag]) {
        #expect(EntityTagList(field) == .tags(tags))
    }

    @Test("may be a star, which stands for every one", arguments: ["*", " * ", "\t*"])
    func star(field: String) throws {
        #expect(EntityTagList(field) == .any)
        let list = try #require(EntityTagList(field))
        #expect(list.names(Self.tag("x")))
    }

    @Test(
        "are none where they are not written as such",
        arguments: [
            "", " ", ",", "a", "v1-00000000", #""a"#, #"a""#, #"w/"a""#, #"W/a"#, #"W/ "a""#, #""a" "b""#, #""a""b""#, #""a b""#,
            "\"a\u{7f}\"",
            #"*, "a""#, #""a", *"#, "**", "*,", #"'a'"#, #""a";q=1"#,
        ])
    func malformed(field: String) {
        #expect(EntityTagList(field) == nil)
    }

    @Test("name a tag whether they are weak or strong, byte by byte")
    func weakComparison() throws {
        let list = try #require(EntityTagList(#""a", W/"b""#))
        #expect(list.names(Self.tag("a")) && list.names(Self.tag("b")) && list.names(Self.tag("a", isWeak: true)))
        #expect(!list.names(Self.tag("c")) && !list.names(Self.tag("A")) && !list.names(Self.tag("")))
        let composed = try #require(EntityTagList("\"e\u{301}\""))
        #expect(!composed.names(Self.tag("\u{e9}")))
    }

    @Test("are written as they are read")
    func text() {
        #expect(Self.tag("a").text == #""a""# && Self.tag("a", isWeak: true).text == #"W/"a""#)
    }
}

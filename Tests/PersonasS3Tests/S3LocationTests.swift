import Personas
import Testing

@testable import PersonasS3

@Suite("Where a bucket is")
struct S3LocationTests {
    @Test("is read from an address: bucket, prefix, endpoint and region")
    func full() throws {
        let location = try S3Location("s3://images-1/a/b.c?endpoint=https://s3.example&region=eu-1&sse=AES256")
        #expect(location.bucket == "images-1")
        #expect(location.prefix == "a/b.c/")
        #expect(location.region == "eu-1")
        #expect(location.origin == "https://s3.example")
        #expect(location.host == "s3.example")
        #expect(location.path("x~/y") == "/images-1/x~/y")
        #expect(location.path() == "/images-1")
        #expect(location.encryption == .ownKeys)
        #expect(try S3Location("s3://images-1/a/b.c/?region=eu-1&sse=AES256&endpoint=https%3A%2F%2Fs3.example/") == location)
    }

    @Test(
        "has its place with Amazon unless it says where, and its region from there",
        arguments: [
            ("s3://bucket?region=eu-central-1", "https://s3.eu-central-1.amazonaws.com", "eu-central-1", ""),
            ("s3://bucket/?region=eu-central-1", "https://s3.eu-central-1.amazonaws.com", "eu-central-1", ""),
            ("s3://bucket/p?endpoint=http://localhost:9000", "http://localhost:9000", "us-east-1", "p/"),
            ("s3://bucket?endpoint=http://127.0.0.9:80", "http://127.0.0.9", "us-east-1", ""),
            ("s3://bucket?endpoint=http://[::1]:81", "http://[::1]:81", "us-east-1", ""),
            ("s3://bucket?endpoint=https://[2001:db8::1]", "https://[2001:db8::1]", "us-east-1", ""),
            ("s3://bucket?endpoint=https://10.0.0.1:443", "https://10.0.0.1", "us-east-1", ""),
        ])
    func defaults(text: String, origin: String, region: String, prefix: String) throws {
        let location = try S3Location(text)
        #expect(location.origin == origin)
        #expect(location.region == region)
        #expect(location.prefix == prefix)
        #expect(location.encryption == nil)
    }

    @Test("may have the bucket in the name of the host")
    func virtualHost() throws {
        let location = try S3Location("s3://bucket/p?endpoint=https://s3.example:9000&path-style=false")
        #expect(location.origin == "https://bucket.s3.example:9000")
        #expect(location.host == "bucket.s3.example:9000")
        #expect(location.path("p/x") == "/p/x")
        #expect(location.path() == "/")
        #expect(try S3Location("s3://bucket?endpoint=https://s3.example&path-style=true").path() == "/bucket")
    }

    @Test(
        "is refused with the reason where something is wrong with it",
        arguments: [
            ("", "must be an address"), ("/data/media", "must be an address"), ("https://bucket.example", "must be an address"),
            ("S3://bucket?region=x", "must be an address"), ("s3://?region=x", "names no bucket"), ("s3:///p?region=x", "names no bucket"),
            ("s3://bucket", "neither a region nor an endpoint"), ("s3://bucket/p?", "neither a region nor an endpoint"),
            ("s3://Bucket?region=x", "names a bucket"), ("s3://bu?region=x", "names a bucket"), ("s3://-bucket?region=x", "names a bucket"),
            ("s3://bucket.?region=x", "names a bucket"), ("s3://buc..ket?region=x", "names a bucket"),
            ("s3://key@bucket?region=x", "names a bucket"), ("s3://bucket:1?region=x", "names a bucket"),
            ("s3://\(String(repeating: "b", count: 64))?region=x", "names a bucket"), ("s3://bucket//?region=x", "an empty part"),
            ("s3://bucket/a//b?region=x", "an empty part"), ("s3://bucket//a?region=x", "an empty part"),
            ("s3://bucket/a/../b?region=x", "dots alone"), ("s3://bucket/.?region=x", "dots alone"),
            ("s3://bucket/a%20b?region=x", "a prefix with other characters"),
            ("s3://bucket/a#b?region=x", "a prefix with other characters"),
            ("s3://bucket/\(String(repeating: "p", count: 513))?region=x", "more than 512"), ("s3://bucket/a b?region=x", "spaces"),
            ("s3://bucket/ä?region=x", "beyond ASCII"), ("s3://bucket?region=EU", "a region of other characters"),
            ("s3://bucket?region=", "a region of other characters"), ("s3://bucket?region=a.b", "a region of other characters"),
            ("s3://bucket?region=x&region=y", "region twice"), ("s3://bucket?region=x&key=secret", "has key in its query"),
            ("s3://bucket?region=x&path-style=no", "neither true nor false"),
            ("s3://bucket?region=x&sse=aes", "neither AES256 nor aws:kms"),
            ("s3://bucket?region=%zz", "a percent sign"), ("s3://bucket?region=%0A", "a percent sign"),
            ("s3://bucket?region=%", "a percent sign"),
            ("s3://bucket?endpoint=s3.example", "does not begin with https://"), ("s3://bucket?endpoint=", "does not begin with https://"),
            ("s3://bucket?endpoint=ftp://s3.example", "does not begin with https://"),
            ("s3://bucket?endpoint=http://s3.example", "plain http on another machine"),
            ("s3://bucket?endpoint=http://localhost.example", "plain http on another machine"),
            ("s3://bucket?endpoint=http://10.0.0.1", "plain http on another machine"),
            ("s3://bucket?endpoint=https://", "not a host"), ("s3://bucket?endpoint=https://s3.example/path", "not a host"),
            ("s3://bucket?endpoint=https://user@s3.example", "not a host"), ("s3://bucket?endpoint=https://S3.example", "not a host"),
            ("s3://bucket?endpoint=https://127.1", "not a host"), ("s3://bucket?endpoint=https://[::1", "not a host"),
            ("s3://bucket?endpoint=https://s3.example:", "more than a host and a port"),
            ("s3://bucket?endpoint=https://s3.example:0", "more than a host and a port"),
            ("s3://bucket?endpoint=https://s3.example:65536", "more than a host and a port"),
            ("s3://bucket?endpoint=https://s3.example:1/p", "more than a host and a port"),
            ("s3://bucket?endpoint=https://10.0.0.1&path-style=false", "an endpoint that is no name"),
            ("s3://my.bucket?endpoint=https://s3.example&path-style=false", "a bucket whose name has a dot"),
        ])
    func wrong(text: String, reason: String) {
        #expect {
            _ = try S3Location(text)
        } throws: { error in
            guard case Failure.configuration("media", let found)? = error as? Failure else { return false }
            return found.contains(reason)
        }
    }

    @Test("goes with credentials of the environment, of which none may be missing, and none is shown")
    func credentials() throws {
        let whole = ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"]
        #expect(try S3Credentials(environment: whole).sessionToken == nil)
        #expect(try S3Credentials(environment: whole.merging(["AWS_SESSION_TOKEN": ""]) { $1 }).sessionToken == nil)
        #expect(try S3Credentials(environment: whole.merging(["AWS_SESSION_TOKEN": "t"]) { $1 }).sessionToken == "t")
        for name in whole.keys {
            for value in [nil, "", "se\ncret"] {
                var environment = whole
                environment[name] = value
                #expect {
                    _ = try S3Credentials(environment: environment)
                } throws: { error in
                    guard case Failure.configuration("media", let reason)? = error as? Failure else { return false }
                    return reason.contains(name) && !reason.contains("cret")
                }
            }
        }
    }

    @Test("is where each blob has a name of its own, from which it is known again")
    func names() throws {
        let location = try S3Location("s3://bucket/p?region=x")
        let object = try #require(Identifier("01234567-89ab-4def-8123-456789abcdef"))
        let key = BlobKey(digest: [0xAB] + [UInt8](repeating: 1, count: 31), object: object)
        let name = "p/ab/ab\(String(repeating: "01", count: 31))/01234567-89ab-4def-8123-456789abcdef"
        #expect(try ObjectName.name(of: key, in: location) == name)
        #expect(ObjectName.key(named: name, in: location) == key)
        #expect(ObjectName.folder(0xAB, in: location) == "p/ab/")
        let others = [
            "", "p/", "q" + name.dropFirst(), String(name.dropFirst(2)), name + "/", name + "0", name.replacing("p/ab/ab", with: "p/ac/ab"),
            name.replacing("p/ab/ab", with: "p/ab/AB"), name.replacing("p/ab/ab", with: "p/ab/+b"),
            name.replacing("abcdef", with: "ABCDEF"), String(name.dropLast(36)), name.replacing("ab01", with: "ab"),
        ]
        for other in others { #expect(ObjectName.key(named: other, in: location) == nil, "\(other)") }
        #expect(throws: Failure.self) { try ObjectName.name(of: BlobKey(digest: key.digest), in: location) }
        #expect(throws: Failure.self) { try ObjectName.name(of: BlobKey(digest: [1], object: object), in: location) }
    }
}

import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import Testing

@Suite("The route table")
struct RouteTableTests {
    private static let table: RouteTable = {
        let router = Router(context: EnvelopeContext.self)
        let routes: [(HTTPRequest.Method, RouterPath)] = [
            (.get, "/"), (.get, "items"), (.post, "items"), (.get, "items/{id}"), (.patch, "items/:id"), (.delete, "items/{id}"),
            (.post, "items/new"), (.get, "files/**"), (.put, "images/{name}.png"), (.get, "images/*"), (.options, "items"),
        ]
        for (method, path) in routes { router.on(path, method: method) { _, _ in "" } }
        return RouteTable(router.routes)
    }()

    @Test(
        "tells a known path with another method from an unknown one",
        arguments: [
            ("PUT", "/items", "GET, HEAD, OPTIONS, POST"), ("PUT", "/items/", "GET, HEAD, OPTIONS, POST"),
            ("PUT", "//items", "GET, HEAD, OPTIONS, POST"), ("PUT", "/items/7", "DELETE, GET, HEAD, PATCH"),
            ("PUT", "/items/a%2Fb", "DELETE, GET, HEAD, PATCH"), ("HEAD", "/items/7", "DELETE, GET, PATCH"), ("POST", "/", "GET, HEAD"),
            ("POST", "/files/a/b/c", "GET, HEAD"), ("POST", "/images/a.png", "PUT"), ("POST", "/images/a.gif", "GET, HEAD"),
            // Hummingbird takes the most specific route alone, so GET of items/new finds no route although items/{id} would fit.
            ("GET", "/items/new", "POST"), ("BREW", "/items/new", "POST"),
        ]
    )
    func allow(method: String, path: String, allow: String) throws {
        #expect(Self.table.allow(for: try #require(HTTPRequest.Method(method)), at: path) == allow)
    }

    @Test("knows no other paths", arguments: ["/item", "/items/7/more", "/files", "/images", "/Items", "/images/a/b"])
    func unknown(path: String) {
        #expect(Self.table.allow(for: .put, at: path) == nil)
        #expect(Self.table.methods(at: path).isEmpty)
    }

    @Test("agrees with the router about every path")
    func agreesWithRouter() {
        #expect(Self.table.methods(at: "/items/7") == [.delete, .get, .patch])
        #expect(Self.table.methods(at: "/items/new") == [.post])
        #expect(Self.table.allow(for: .get, at: "/items") == nil)
    }
}

import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import Personas
import PersonasWire

/// What a client asks that knows nothing but its key: whose it is, what it may do and how much, and how many items there are. Any scope may ask.
struct MeRoutes: Sendable {
    /// The path of the call.
    static let path = "/v2/me"

    let authentication: Authentication
    let catalog: Catalog
    /// What trainings are paid for with; nil where they cost nothing.
    let credits: Credits?
    let configuration: HTTPConfiguration

    /// Adds the call to a group whose callers are known.
    func add(to group: RouterGroup<CallerContext>) {
        group.get(RouterPath(Self.path)) { request, context in
            // The caller is known by ids alone, which is all that other calls need. Looking the key up again is a look into memory.
            let credentials = try await authentication.credentials(presenting: request.headers[.xAPIKey])
            let accountID = context.caller.accountID
            return answer(
                credentials, try await catalog.counts(accountID: accountID), try await catalog.usage(accountID: accountID),
                try await credits?.standing(accountID: accountID)
            ).response
        }
    }

    /// The answer where that needs no waiting; nil where it does.
    func answerNow(presenting secret: String?, _ caller: Caller) throws(Failure) -> JSONAnswer? {
        guard let credentials = try authentication.credentialsNow(presenting: secret),
            let counts = try catalog.countsNow(accountID: caller.accountID), let usage = try catalog.usageNow(accountID: caller.accountID)
        else { return nil }
        guard let credits else { return answer(credentials, counts, usage, nil) }
        guard let standing = try credits.standingNow(accountID: caller.accountID) else { return nil }
        return answer(credentials, counts, usage, standing)
    }

    private func answer(
        _ credentials: Credentials, _ counts: ItemCounts, _ usage: AccountUsage, _ standing: CreditStanding?
    ) -> JSONAnswer {
        JSONAnswer { writer in
            writer.object { writer in
                writer.name("account")
                Self.write(credentials.account, &writer)
                writer.name("key")
                Self.write(credentials.key, &writer)
                writer.name("limits")
                writeLimits(usage.quota, &writer)
                writer.name("counts")
                Self.write(counts, usage, &writer)
                writer.name("credits")
                write(standing, &writer)
            }
        }
    }

    /// How the account stands with its credits; `null` where there are none.
    private func write(_ standing: CreditStanding?, _ writer: inout JSONWriter) {
        guard let credits, let standing else { return writer.string(nil) }
        Representation.credits(standing, prices: credits.prices, &writer)
    }

    private static func write(_ account: Account, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", account.id)
            writer.member("name", account.name)
            writer.member("created_at", account.createdAt)
        }
    }

    private static func write(_ key: APIKey, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", key.id)
            writer.member("prefix", key.prefix)
            writer.member("label", key.label)
            writer.name("scopes")
            writer.array { writer in
                for scope in Scope.allCases where key.scopes.contains(scope) { writer.string(scope.rawValue) }
            }
            writer.member("created_at", key.createdAt)
            if let expiresAt = key.expiresAt {
                writer.member("expires_at", expiresAt)
            } else {
                writer.name("expires_at")
                writer.string(nil)
            }
        }
    }

    private func writeLimits(_ quota: AccountQuota, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("reads_per_second", configuration.rateLimits.readsPerSecond)
            writer.member("writes_per_second", configuration.rateLimits.writesPerSecond)
            writer.member("requests_in_flight", configuration.rateLimits.inFlightMax)
            writer.member("streams", configuration.streams.perAccountMax)
            writer.member("webhooks", Limits.webhooksMax)
            writer.member("body_bytes", configuration.limits.bodyBytesMax)
            writer.member("image_bytes", Limits.imageBytesMax)
            writer.member("page_items", configuration.pageItemsMax)
            Self.write(quota.itemsMax, as: "items", &writer)
            Self.write(quota.storedBytesMax, as: "stored_bytes", &writer)
        }
    }

    /// A bound; `null` where there is none.
    private static func write(_ max: Int?, as name: StaticString, _ writer: inout JSONWriter) {
        if let max { return writer.member(name, max) }
        writer.name(name)
        writer.string(nil)
    }

    private static func write(_ counts: ItemCounts, _ usage: AccountUsage, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("personas")
            write(counts, of: .persona, &writer)
            writer.name("styles")
            write(counts, of: .style, &writer)
            // What there are quotas of, by the names that the limits have.
            writer.member("items", counts.total)
            writer.member("stored_bytes", usage.storedBytes)
        }
    }

    private static func write(_ counts: ItemCounts, of mode: Mode, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("processing", counts[mode, .processing])
            writer.member("completed", counts[mode, .completed])
            writer.member("failed", counts[mode, .failed])
            writer.member("trash", counts.trash[mode] ?? 0)
        }
    }
}

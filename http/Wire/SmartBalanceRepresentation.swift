package import Personas

/// How Smart Balance looks on the wire, to clients and to the payment service.
extension Representation {
    /// What somebody has asked for who pays.
    static func smartBalance(_ smartBalance: SmartBalance, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("threshold", smartBalance.threshold.value)
            writer.member("amount", smartBalance.amount.value)
            writer.member("status", word: smartBalance.status)
            writer.member("paused_reason", smartBalance.pausedReason)
        }
    }

    /// What the payment service is sent, the same each time it is asked (Standard Webhooks 1.0.0: `type`, `timestamp`, `data`).
    package static func request(for topUp: TopUp) -> [UInt8] {
        bytes { writer in
            writer.object { writer in
                writer.member("type", "top_up.requested")
                writer.member("timestamp", topUp.requestedAt)
                writer.name("data")
                writer.object { writer in
                    writer.member("top_up_id", topUp.id)
                    writer.member("account", topUp.accountID)
                    writer.member("amount", topUp.amount.value)
                    writer.member("balance", topUp.balance)
                }
            }
        }
    }
}

extension PaymentAnswer {
    /// Reads the body of an answer: `{"status":"paid"|"declined","reference"}`, of which the reference may be missing, or be of any kind. Whatever else it
    /// is says nothing of the outcome.
    package init(reading body: [UInt8]) {
        guard let object = try? JSONObject(body), case .value(let status) = object.string("status") else {
            self = .unknown(.unreadable)
            return
        }
        var reference: CreditNote?
        if case .value(let text) = object.string("reference") { reference = CreditNote(excerptOf: text) }
        if status.utf8.elementsEqual("paid".utf8) {
            self = .paid(reference: reference)
        } else if status.utf8.elementsEqual("declined".utf8) {
            self = .declined(reference: reference)
        } else {
            self = .unknown(.unreadable)
        }
    }
}

package import Personas

/// Reads what fal answers and reports, strictly and within bounds, because much of it is the output of a model.
package struct FalFactsReader: Sendable {
    /// Values of one body; a result may list many numbers.
    private static let valuesMax = 65_536
    /// Faults of an input that are read; the others say nothing else to a client.
    private static let faultsMax = 8

    private let portrait: JSONPointer

    /// - Parameter portrait: where the address of the portrait is in a result.
    package init(portrait: JSONPointer) {
        self.portrait = portrait
    }

    /// What an answer says; nil where it is no JSON object that can be read.
    package func facts(ofAnswer body: [UInt8]) -> FalFacts? { facts(body, result: nil) }

    /// What a webhook says, which holds its result as a member; nil where it is no JSON object that can be read.
    package func facts(ofWebhook body: [UInt8]) -> FalFacts? { facts(body, result: "payload") }

    private func facts(_ body: [UInt8], result: String?) -> FalFacts? {
        guard let object = try? JSONObject(body, valuesMax: Self.valuesMax) else { return nil }
        let payload = result.map { JSONPointer.root.member($0) } ?? .root
        func text(_ name: String) -> String? { object.string(name).text }
        var facts = FalFacts()
        facts.requestID = text("request_id")
        facts.statusURL = text("status_url")
        facts.responseURL = text("response_url")
        facts.cancelURL = text("cancel_url")
        facts.status = text("status").flatMap { FalStatus(text: $0) }
        facts.portraitURL = object.string(at: portrait.within(payload)).text
        facts.hasPayload = object.hasValue(at: payload) && !object.hasValue(at: .root.member("payload_error"))
        let detail = payload.member("detail")
        facts.error = text("error")
        facts.detail = object.string(at: detail).text
        for index in 0..<Self.faultsMax {
            guard object.hasValue(at: detail.element(index)) else { break }
            // What a fault is about stands in its other members, in the words of a program.
            facts.faults.append(object.string(at: detail.element(index).member("msg")).text ?? "")
        }
        return facts
    }
}

extension JSONField<String> {
    fileprivate var text: String? {
        if case .value(let text) = self { return text }
        return nil
    }
}

import ErrorEnvelope
import Personas
import Testing

/// One of the places where items are created: a surface and a mode.
struct Mount: Sendable, CustomTestStringConvertible {
    let mode: Mode
    let isTyped: Bool

    static let all = [true, false].flatMap { isTyped in Mode.allCases.map { Mount(mode: $0, isTyped: isTyped) } }

    /// The path below which items lie.
    var items: String { isTyped ? "/v2/\(mode)s" : "/v2/pikzonality" }

    /// The path that creates.
    var creation: String { isTyped ? items : "/v2/pikzonality/\(mode)" }

    var testDescription: String { creation }

    /// The mode's word at the beginning of a sentence.
    var word: String { mode == .persona ? "Persona" : "Style" }

    /// The other mode.
    var other: Mode { mode == .persona ? .style : .persona }

    func item(_ id: String) -> String { "\(items)/\(id)" }

    /// The whole item while it is in processing, as `Answer.shape` shows it.
    func processing(_ name: String, progress: Int = 0, instructions: String = "null", suffix: String = "") -> String {
        isTyped
            ? """
            {"id":"<id 1>","mode":"\(mode)","name":"\(name)","status":"processing","progress":\(progress),"portrait_url":null,\
            "reference":null,"special_instructions":\(instructions),\
            "external_id":null,"metadata":{},"delete_when_settled":false,"error":null,"created_at":"<time>","updated_at":"<time>"\(suffix)}
            """
            : """
            {"name":"\(name)","id":"<id 1>","mode":"\(mode)","portrait_url":null,"reference":null,"progress":\(progress),\
            "special_instructions":\(instructions),"status":"processing"}
            """
    }

    /// The whole item once completed.
    func completed(_ name: String, instructions: String = "null") -> String {
        let media = "\(TestService.baseURL)/media"
        let images = """
            "portrait_url":"\(media)/<token 1>",\
            "reference":["\(media)/<token 2>","\(media)/<token 3>","\(media)/<token 4>"]
            """
        return isTyped
            ? """
            {"id":"<id 1>","mode":"\(mode)","name":"\(name)","status":"completed","progress":100,\(images),\
            "special_instructions":\(instructions),\
            "external_id":null,"metadata":{},"delete_when_settled":false,"error":null,"created_at":"<time>","updated_at":"<time>"}
            """
            : """
            {"name":"\(name)","id":"<id 1>","mode":"\(mode)",\(images),"progress":100,"special_instructions":\(instructions),\
            "status":"completed"}
            """
    }

    /// The whole item once failed.
    func failed(_ name: String, progress: Int = 0, _ error: TrainingError) -> String {
        let object = #"{"code":"\#(error.code.rawValue)","message":"\#(error.message)"}"#
        return isTyped
            ? """
            {"id":"<id 1>","mode":"\(mode)","name":"\(name)","status":"failed","progress":\(progress),"portrait_url":null,"reference":null,\
            "special_instructions":null,"external_id":null,"metadata":{},"delete_when_settled":false,\
            "error":\(object),"created_at":"<time>","updated_at":"<time>"}
            """
            : """
            {"name":"\(name)","id":"<id 1>","mode":"\(mode)","portrait_url":null,"reference":null,"progress":\(progress),\
            "special_instructions":null,"status":"failed","error":\(object),"message":"\(error.message)"}
            """
    }
}

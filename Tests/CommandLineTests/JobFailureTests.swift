import Personas
import Testing

@testable import PersonasCLI

@Suite("Failures of a job")
struct JobFailureTests {
    @Test(
        "What the server is told of each, once and for all",
        arguments: [
            (JobFailure.download(reference: 0), TrainingErrorCode.downloadFailed, true, "Reference image 1 could not be downloaded"),
            (.damaged(reference: 2), .rejected, false, "Reference image 3 is damaged"),
            (.noReferences, .rejected, false, "There are no reference images"),
            (.notAccepted, .failed, false, "The worker's result was not accepted"), (.stopped, .failed, true, "The worker was stopped"),
        ])
    func reports(failure: JobFailure, code: TrainingErrorCode, isRetryable: Bool, message: String) {
        #expect(failure.report == JobFailure.Report(code: code, isRetryable: isRetryable, message: message))
        // Known clients take these words for other codes.
        for word in ["credit", "balance", "payment", "training", "ready", "processing", "busy", "overloaded", "limit", "persona", "style"] {
            #expect(!message.lowercased().contains(word))
        }
    }
}

import Foundation
import Personas

extension Operator {
    /// The user of this process, for commands that carry out themselves what they are asked for. Of what the audit says nobody is told but those who ask.
    static let ofProcess = Operator(uid: getuid()) { notice in
        guard case .lost(_, let failure) = notice else { return }
        Output.note("personas: done, but the audit could not be written (\(CommandFailure(failure).message))")
    }
}

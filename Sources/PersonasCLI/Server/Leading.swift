import Personas
import ServiceLifecycle

/// Does work until shutdown whenever this process has a duty, which one at a time has of all that share a store.
struct Leading: Service {
    let duty: Duty
    let companions: any Companions
    /// Ends at shutdown, and when it is cancelled. Done anew each time that the duty comes.
    let work: @Sendable () async -> Void

    func run() async {
        let stopping = WakeSignal()
        await withGracefulShutdownHandler {
            await companions.lead(duty, until: stopping, work)
        } onGracefulShutdown: {
            stopping.notify()
        }
    }
}

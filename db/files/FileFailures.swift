import Personas

extension Failure {
    /// What the store reports while the process, or the machine, has no descriptor left for a file.
    static let outOfDescriptors = Failure.usedUp(.fileDescriptors, retryAfterSeconds: 1)

    /// What an error on the way to a file means: a failure stays what it is, running out of descriptors or disk is that, what the system refused is
    /// told with its reason, all else is unexpected.
    init(file error: any Error) {
        switch error {
        case let failure as Failure: self = failure
        case let error as PosixFile.CallFailed: self.init(error)
        default: self = .unexpected("\(error)")
        }
    }

    private init(_ error: PosixFile.CallFailed) {
        if error.isOutOfDescriptors {
            self = .outOfDescriptors
        } else if error.isOutOfDisk, let path = error.path {
            self = .outOfDisk(path: path)
        } else {
            self = .file(error.failure)
        }
    }
}

package import Personas

extension LifeView {
    /// How an item looks.
    /// - Parameter images: which of its sets of images it has.
    package init(of item: Pikzonality, images: Int) {
        self.init()
        status = item.status.rawValue
        progress = item.progress
        error = item.error?.code.rawValue
        isGoneWhenSettled = item.settlement != nil
        version = item.version
        self.images = images
    }
}

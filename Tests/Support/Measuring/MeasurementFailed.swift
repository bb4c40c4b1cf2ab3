/// Something that could not be measured, in one line.
package struct MeasurementFailed: Error, CustomStringConvertible {
    package let description: String

    /// Takes the line.
    package init(_ description: String) {
        self.description = description
    }
}

import Foundation
import Personas
import Testing

@testable import PersonasCLI

@Suite("Progress bars")
struct ProgressBarTests {
    @Test("A bar fills as work is done, and stays within its ends whatever it is told")
    func text() {
        #expect(ProgressBar.text("Copying images", 0, of: 4) == "Copying images [..............................] 0/4")
        #expect(ProgressBar.text("Copying images", 1, of: 4) == "Copying images [#######.......................] 1/4")
        #expect(ProgressBar.text("Copying images", 4, of: 4) == "Copying images [##############################] 4/4")
        #expect(ProgressBar.text("Copying images", 9, of: 4) == "Copying images [##############################] 9/4")
        #expect(ProgressBar.text("Copying images", 0, of: 0) == "Copying images [..............................] 0/0")
    }
}

import Personas

/// A reply that knows how it looks: to people, and as one JSON document to programs.
protocol Presentable {
    /// Writes it to standard output.
    func show(asJSON isJSON: Bool) throws(CommandFailure)
}

/// Headings and rows.
struct Table {
    let headings: [String]
    let rows: [[String]]
}

/// A reply that people see as tables, and programs as it is.
protocol TableRenderable: Presentable, Encodable {
    /// The tables, one under the other.
    var tables: [Table] { get }
}

extension TableRenderable {
    func show(asJSON isJSON: Bool) throws(CommandFailure) {
        if isJSON { return try Output.json(self) }
        for (index, table) in tables.enumerated() {
            if index > 0 { Output.line("") }
            Output.table(table.headings, table.rows)
        }
    }
}

/// An entry of a list, which is a row of a table.
protocol TableRow: TableRenderable {
    /// What stands above the rows.
    static var headings: [String] { get }
    /// What stands below each of them.
    var cells: [String] { get }
}

extension TableRow {
    var tables: [Table] { [Table(headings: Self.headings, rows: [cells])] }
}

extension Array: Presentable where Element: TableRow {}

extension Array: TableRenderable where Element: TableRow {
    var tables: [Table] { [Table(headings: Element.headings, rows: map(\.cells))] }
}

/// A reply that people see as one line, which says what became of each of the names that they gave.
protocol ChangeReport: Presentable, Encodable {
    /// What became of the names, and of which.
    var changes: [(title: String, names: [String])] { get }
}

extension ChangeReport {
    /// The line: "reserved: Ann, Bob; already reserved: Boss".
    var line: String {
        changes.filter { !$0.names.isEmpty }.map { "\($0.title): \($0.names.joined(separator: ", "))" }.joined(separator: "; ")
    }

    func show(asJSON isJSON: Bool) throws(CommandFailure) {
        if isJSON { try Output.json(self) } else { Output.line(line) }
    }
}

/// A list on its way to standard output page by page, so that it is nowhere held whole.
struct Listing<Row: TableRow> {
    private let isJSON: Bool
    private var isBegun = false
    private var widths: [Int] = []
    private var isEmpty = true

    init(isJSON: Bool) {
        self.isJSON = isJSON
    }

    /// Writes the next page.
    mutating func show(_ page: [Row]) throws(CommandFailure) {
        if isJSON {
            if !isBegun { Output.text("[") }
            for row in page {
                let text = try Output.jsonText(row)
                Output.text(isEmpty ? text : "," + text)
                isEmpty = false
            }
        } else {
            let headings = isBegun ? [] : [Row.headings.map { $0.uppercased() }]
            for line in Output.lines(headings + page.map(\.cells), widening: &widths) { Output.line(line) }
        }
        isBegun = true
        // Pages that nobody reads need not be asked for.
        try Output.requireTaken()
    }

    /// Writes what belongs after the last page.
    func end() {
        if isJSON { Output.text("]\n") }
    }
}

import Foundation

/// A point of a drawing, in pixels from the top left corner.
struct Point: Sendable {
    var x: Double
    var y: Double

    init(_ x: Double, _ y: Double) {
        self.x = x
        self.y = y
    }
}

/// An opaque colour.
struct Colour: Sendable {
    let red: Double
    let green: Double
    let blue: Double

    /// Takes a colour as designers write it: `0xRRGGBB`.
    init(_ hexadecimal: Int) {
        red = Double(hexadecimal >> 16 & 0xFF)
        green = Double(hexadecimal >> 8 & 0xFF)
        blue = Double(hexadecimal & 0xFF)
    }

    private init(red: Double, green: Double, blue: Double) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    /// The colour that far, 0 to 1, on the way to another.
    func mixed(with other: Colour, _ share: Double) -> Colour {
        Colour(
            red: red + (other.red - red) * share, green: green + (other.green - green) * share, blue: blue + (other.blue - blue) * share)
    }
}

/// The outline of an area: straight lines from point to point and back to the first.
struct Outline: Sendable {
    private(set) var points: [Point]

    init(_ points: [Point]) {
        self.points = points
    }

    /// An ellipse or a part of it, angles in degrees clockwise from the right.
    static func ellipse(_ centre: Point, _ radiusX: Double, _ radiusY: Double, from: Double = 0, to: Double = 360, tilt: Double = 0)
        -> Outline
    {
        let steps = max(32, Int((radiusX + radiusY) / 3))
        let (sine, cosine) = (sin(tilt * .pi / 180), cos(tilt * .pi / 180))
        return Outline(
            (0...steps).map { step in
                let angle = (from + (to - from) * Double(step) / Double(steps)) * .pi / 180
                let (x, y) = (cos(angle) * radiusX, sin(angle) * radiusY)
                return Point(centre.x + x * cosine - y * sine, centre.y + x * sine + y * cosine)
            })
    }

    static func rectangle(_ left: Double, _ top: Double, _ right: Double, _ bottom: Double) -> Outline {
        Outline([Point(left, top), Point(right, top), Point(right, bottom), Point(left, bottom)])
    }

    /// Goes on along a quadratic curve to a point.
    func curving(by control: Point, to end: Point) -> Outline {
        guard let start = points.last else { return self }
        let steps = 16
        var outline = self
        for step in 1...steps {
            let share = Double(step) / Double(steps)
            let (a, b, c) = ((1 - share) * (1 - share), 2 * share * (1 - share), share * share)
            outline.points.append(Point(a * start.x + b * control.x + c * end.x, a * start.y + b * control.y + c * end.y))
        }
        return outline
    }
}

/// A square picture that shapes are painted on, with smooth edges.
struct Canvas {
    /// Pixels of a side.
    let side: Int
    private var pixels: [UInt8]

    /// A canvas filled from one colour at the top to another at the bottom.
    init(side: Int, top: Colour, bottom: Colour) {
        self.side = side
        pixels = []
        pixels.reserveCapacity(side * side * 3)
        for row in 0..<side {
            let colour = top.mixed(with: bottom, Double(row) / Double(side - 1))
            var line = [UInt8(colour.red.rounded()), UInt8(colour.green.rounded()), UInt8(colour.blue.rounded())]
            while line.count < side * 3 { line += line.prefix(side * 3 - line.count) }
            pixels += line
        }
    }

    /// The picture as a PNG file.
    var file: [UInt8] { PNGEncoder.file(width: side, height: side, pixels: pixels) }

    /// Paints an area; where its outline crosses itself, areas inside twice stay as they are.
    mutating func fill(_ outline: Outline, _ colour: Colour, opacity: Double = 1) {
        let heights = outline.points.map(\.y)
        let top = max(0, Int((heights.min() ?? 0).rounded(.down)))
        let bottom = min(side, Int((heights.max() ?? 0).rounded(.up)))
        guard top < bottom else { return }
        let lines = Self.crossings(of: outline.points, rows: top..<bottom)
        var coverage = [Double](repeating: 0, count: side + 2)
        for row in top..<bottom {
            var (first, last) = (side, 0)
            for line in lines[(row - top) * Self.linesPerRow..<(row - top + 1) * Self.linesPerRow] {
                for pair in stride(from: 0, to: line.count - 1, by: 2) {
                    let (left, right) = (min(max(line[pair], 0), Double(side)), min(max(line[pair + 1], 0), Double(side)))
                    Self.add(left, right, to: &coverage)
                    first = min(first, Int(left))
                    last = max(last, min(side, Int(right) + 1))
                }
            }
            if first < last { blend(row: row, columns: first..<last, coverage: &coverage, colour: colour, opacity: opacity) }
        }
    }

    /// Lines looked at within each row of pixels. Four, and exact lengths along them, are enough for an edge that looks smooth.
    private static let linesPerRow = 4

    /// Where an outline crosses each line of some rows, from left to right.
    private static func crossings(of points: [Point], rows: Range<Int>) -> [[Double]] {
        let lineCount = rows.count * linesPerRow
        var lines = [[Double]](repeating: [], count: lineCount)
        func line(at y: Double) -> Int { Int(((y - Double(rows.lowerBound)) * Double(linesPerRow) - 0.5).rounded(.up)) }
        for index in points.indices {
            let (one, other) = (points[index], points[(index + 1) % points.count])
            let (upper, lower) = one.y < other.y ? (one, other) : (other, one)
            guard lower.y > upper.y else { continue }
            let slope = (lower.x - upper.x) / (lower.y - upper.y)
            for index in stride(from: max(0, line(at: upper.y)), to: min(lineCount, line(at: lower.y)), by: 1) {
                let y = Double(rows.lowerBound) + (Double(index) + 0.5) / Double(linesPerRow)
                lines[index].append(upper.x + (y - upper.y) * slope)
            }
        }
        for index in lines.indices { lines[index].sort() }
        return lines
    }

    /// Notes that a quarter line is covered from `left` to `right`, as changes from one pixel to the next.
    private static func add(_ left: Double, _ right: Double, to coverage: inout [Double]) {
        for (x, sign) in [(left, 0.25), (right, -0.25)] {
            let pixel = Int(x)
            let share = x - Double(pixel)
            coverage[pixel] += sign * (1 - share)
            coverage[pixel + 1] += sign * share
        }
    }

    private mutating func blend(row: Int, columns: Range<Int>, coverage: inout [Double], colour: Colour, opacity: Double) {
        var covered = 0.0
        let side = side
        let whole = (Self.mixed(0, colour.red, 1), Self.mixed(0, colour.green, 1), Self.mixed(0, colour.blue, 1))
        pixels.withUnsafeMutableBufferPointer { pixels in
            for column in columns {
                covered += coverage[column]
                coverage[column] = 0
                let share = min(1, max(0, covered)) * opacity
                guard share > 0.002 else { continue }
                let index = (row * side + column) * 3
                if share > 0.998 {
                    (pixels[index], pixels[index + 1], pixels[index + 2]) = whole
                    continue
                }
                pixels[index] = Self.mixed(pixels[index], colour.red, share)
                pixels[index + 1] = Self.mixed(pixels[index + 1], colour.green, share)
                pixels[index + 2] = Self.mixed(pixels[index + 2], colour.blue, share)
            }
        }
        coverage[columns.upperBound] = 0
        coverage[columns.upperBound + 1] = 0
    }

    private static func mixed(_ old: UInt8, _ new: Double, _ share: Double) -> UInt8 {
        UInt8(min(255, max(0, (Double(old) + (new - Double(old)) * share).rounded())))
    }
}

/// The reference images of the demo, drawn when they are needed, so that the binary carries no pictures and nobody's likeness.
///
/// A seed names one of them as `drawn:NAME` where it would otherwise name a file.
enum DemoArtwork {
    /// How a seed's image begins that is drawn rather than read.
    static let prefix = "drawn:"

    /// The names of all drawings.
    static let names = drawings.keys.sorted()

    /// The PNG file of a drawing, 512 × 512 pixels; nil for a name that no drawing has.
    static func file(named name: String) -> [UInt8]? {
        drawings[name]?().file
    }

    private static let side = 512

    private static let drawings: [String: @Sendable () -> Canvas] = [
        "nova-front": { portrait(top: 0xF7C59F, bottom: 0xEE8572, figures: [nova(turn: 0, clothes: 0x2A5C82)]) },
        "nova-left": { portrait(top: 0xA7D7C5, bottom: 0x5C9EAD, figures: [nova(turn: -1, clothes: 0xF2CC8F)]) },
        "nova-right": { portrait(top: 0xCDB4DB, bottom: 0x8E7DBE, figures: [nova(turn: 1, clothes: 0x3D405B)]) },
        "duo-indoors": { portrait(top: 0xF4F1DE, bottom: 0xE0CFA9, figures: duo(clothes: (0x81B29A, 0xE07A5F))) },
        "duo-park": { portrait(top: 0xBEE3F8, bottom: 0x9AD29A, figures: duo(clothes: (0xD1495B, 0x30638E))) },
        "duo-evening": { portrait(top: 0x355070, bottom: 0xB56576, figures: duo(clothes: (0xEAAC8B, 0x6D597A))) },
        "paper-waves": waves,
        "paper-hills": hills,
        "paper-tiles": tiles,
    ]

    private static func portrait(top: Int, bottom: Int, figures: [DemoFigure]) -> Canvas {
        var canvas = Canvas(side: side, top: Colour(top), bottom: Colour(bottom))
        canvas.fill(.ellipse(Point(256, 250), 215, 215), Colour(0xFFFFFF), opacity: 0.16)
        for figure in figures { figure.draw(on: &canvas) }
        return canvas
    }

    private static func nova(turn: Double, clothes: Int) -> DemoFigure {
        DemoFigure(skin: Colour(0xD99A6C), hair: Colour(0x3B2320), clothes: Colour(clothes), turn: turn, hasLongHair: true)
    }

    private static func duo(clothes: (Int, Int)) -> [DemoFigure] {
        [
            DemoFigure(
                centre: Point(168, 262), scale: 0.78, skin: Colour(0xF0C9A4), hair: Colour(0xB5562B), clothes: Colour(clothes.0), turn: 0.6,
                hasLongHair: true),
            DemoFigure(
                centre: Point(346, 250), scale: 0.82, skin: Colour(0x8D5B3E), hair: Colour(0x1F1A1A), clothes: Colour(clothes.1),
                turn: -0.6,
                hasGlasses: true),
        ]
    }

    private static let paper = (
        cream: Colour(0xFFF3DC), coral: Colour(0xE76F51), sand: Colour(0xF4A261), sun: Colour(0xE9C46A), sea: Colour(0x2A9D8F),
        night: Colour(0x264653)
    )

    /// Rows of half-hidden rings, each row over the one behind it.
    @Sendable private static func waves() -> Canvas {
        var canvas = Canvas(side: side, top: paper.night, bottom: paper.night)
        let rings = [(64.0, paper.cream), (54, paper.sea), (41, paper.cream), (32, paper.sun), (20, paper.cream), (11, paper.coral)]
        for row in 0..<19 {
            for column in 0..<6 {
                let centre = Point(Double(column) * 128 - (row % 2 == 0 ? 64 : 0), Double(row) * 32 + 8)
                for (radius, colour) in rings { canvas.fill(.ellipse(centre, radius, radius), colour) }
            }
        }
        return canvas
    }

    /// A low sun behind hills of paper.
    @Sendable private static func hills() -> Canvas {
        var canvas = Canvas(side: side, top: paper.cream, bottom: paper.sand)
        for (radius, opacity) in [(150.0, 0.25), (118, 0.4), (86, 1)] {
            canvas.fill(.ellipse(Point(330, 190), radius, radius), paper.sun, opacity: opacity)
        }
        let layers: [(height: Double, swing: Double, colour: Colour)] = [
            (270, 46, paper.sand), (320, -52, paper.coral), (372, 40, paper.sea), (432, -34, paper.night),
        ]
        for (index, layer) in layers.enumerated() {
            let shift = Double(index) * 30
            let outline = Outline([Point(-40, 520), Point(-40, layer.height)])
                .curving(by: Point(70 + shift, layer.height - layer.swing * 2), to: Point(190 + shift, layer.height))
                .curving(by: Point(330 + shift, layer.height + layer.swing * 2), to: Point(552, layer.height - layer.swing))
                .curving(by: Point(560, 480), to: Point(552, 520))
            canvas.fill(outline, layer.colour)
        }
        return canvas
    }

    /// Quarter circles turned this way and that, by a rule that repeats late enough to look free.
    @Sendable private static func tiles() -> Canvas {
        var canvas = Canvas(side: side, top: paper.cream, bottom: paper.cream)
        let size = 128.0
        let colours = [paper.coral, paper.sea, paper.sun, paper.night, paper.sand]
        for row in 0..<4 {
            for column in 0..<4 {
                let (left, top) = (Double(column) * size, Double(row) * size)
                let turn = (row * 3 + column * column + row * column) % 4
                let back = colours[(row + column * 2) % 5]
                let front = colours[(row * 2 + column + 3) % 5]
                canvas.fill(.rectangle(left, top, left + size, top + size), back.mixed(with: paper.cream, 0.72))
                let corner = Point(left + (turn % 2 == 0 ? 0 : size), top + (turn < 2 ? 0 : size))
                let start = [0.0, 90, 270, 180][turn]
                for (radius, colour) in [(size, back), (size * 0.66, paper.cream), (size * 0.36, front)] {
                    let arc = Outline.ellipse(corner, radius, radius, from: start, to: start + 90)
                    canvas.fill(Outline(arc.points + [corner]), colour)
                }
            }
        }
        return canvas
    }
}

/// A person of the demo: head and shoulders in flat colours.
struct DemoFigure {
    /// Where the middle of the face is.
    var centre = Point(256, 242)
    /// 1 fills a picture of 512 pixels.
    var scale = 1.0
    let skin: Colour
    let hair: Colour
    let clothes: Colour
    /// Where the figure looks: -1 to the left, 0 ahead, 1 to the right.
    let turn: Double
    var hasLongHair = false
    var hasGlasses = false

    private static let ink = Colour(0x2B2230)

    /// Paints the figure from back to front.
    func draw(on canvas: inout Canvas) {
        drawBackHair(on: &canvas)
        drawBody(on: &canvas)
        drawHead(on: &canvas)
        drawFace(on: &canvas)
        drawFringe(on: &canvas)
        if hasGlasses { drawGlasses(on: &canvas) }
    }

    /// A place in the figure, measured from the middle of the face.
    private func at(_ x: Double, _ y: Double) -> Point { Point(centre.x + x * scale, centre.y + y * scale) }

    private func ellipse(_ x: Double, _ y: Double, _ radiusX: Double, _ radiusY: Double, tilt: Double = 0) -> Outline {
        .ellipse(at(x, y), radiusX * scale, radiusY * scale, tilt: tilt)
    }

    private func drawBackHair(on canvas: inout Canvas) {
        canvas.fill(ellipse(-5 * turn, -28, 120, 122), hair)
        guard hasLongHair else { return }
        let outline = Outline([at(-112 - 5 * turn, -50)])
            .curving(by: at(-150, 110), to: at(-112 - 14 * turn, 188))
            .curving(by: at(0, 150), to: at(112 - 14 * turn, 188))
            .curving(by: at(150, 110), to: at(112 - 5 * turn, -50))
        canvas.fill(outline, hair)
    }

    private func drawBody(on canvas: inout Canvas) {
        let shoulders = Outline([at(-230, 420)])
            .curving(by: at(-222, 196), to: at(-70, 168))
            .curving(by: at(0, 150), to: at(70, 168))
            .curving(by: at(222, 196), to: at(230, 420))
        canvas.fill(shoulders, clothes)
        canvas.fill(Outline([at(-44, 60), at(44, 60), at(46, 168), at(0, 216), at(-46, 168)]), skin.mixed(with: Self.ink, 0.14))
        let seam = clothes.mixed(with: Self.ink, 0.25)
        canvas.fill(Outline([at(-62, 160), at(-44, 160), at(4, 218), at(0, 232)]), seam)
        canvas.fill(Outline([at(62, 160), at(44, 160), at(-4, 218), at(0, 232)]), seam)
    }

    private func drawHead(on canvas: inout Canvas) {
        let shade = skin.mixed(with: Self.ink, 0.1)
        for side in [-1.0, 1] where side * turn < 0.8 { canvas.fill(ellipse(side * 92 + 2 * turn, 8, 15, 24), shade) }
        let outline = Outline([at(-92, -30)])
            .curving(by: at(-96, 70), to: at(-44 + 5 * turn, 106))
            .curving(by: at(0 + 10 * turn, 138), to: at(44 + 5 * turn, 106))
            .curving(by: at(96, 70), to: at(92, -30))
            .curving(by: at(80, -126), to: at(0, -126))
            .curving(by: at(-80, -126), to: at(-92, -30))
        canvas.fill(outline, skin)
    }

    private func drawFace(on canvas: inout Canvas) {
        let shift = 18 * turn
        for side in [-1.0, 1] {
            canvas.fill(ellipse(side * 54 + shift, 48, 20, 13), Colour(0xE0604F), opacity: 0.22)
            canvas.fill(ellipse(side * 38 + shift, 6, 15, 10.5), Colour(0xFFFFFF))
            canvas.fill(ellipse(side * 38 + shift * 1.25, 6, 8.5, 9.5), Self.ink)
            canvas.fill(ellipse(side * 38 + shift * 1.25 + 3, 2.5, 2.6, 2.6), Colour(0xFFFFFF))
            let brow = Outline([at(side * 20 + shift, -19)])
                .curving(by: at(side * 38 + shift, -33), to: at(side * 60 + shift, -19))
                .curving(by: at(side * 40 + shift, -25), to: at(side * 20 + shift, -14))
            canvas.fill(brow, hair.mixed(with: Self.ink, 0.3))
        }
        let nose = Outline([at(-3 + shift * 1.1, 6)])
            .curving(by: at(15 + shift * 1.5, 40), to: at(2 + shift * 1.5, 46))
            .curving(by: at(-10 + shift * 1.5, 49), to: at(-14 + shift * 1.4, 41))
            .curving(by: at(4 + shift * 1.3, 42), to: at(-3 + shift * 1.1, 6))
        canvas.fill(nose, skin.mixed(with: Self.ink, 0.2))
        let mouth = Outline([at(-27 + shift, 68)])
            .curving(by: at(0 + shift * 1.2, 78), to: at(27 + shift, 68))
            .curving(by: at(0 + shift * 1.2, 106), to: at(-27 + shift, 68))
        canvas.fill(mouth, Colour(0xA8394A))
    }

    private func drawFringe(on canvas: inout Canvas) {
        let outline = Outline([at(-104, 2)])
            .curving(by: at(-128, -140), to: at(0 - 6 * turn, -146))
            .curving(by: at(128, -140), to: at(104, 2))
            .curving(by: at(92, -50), to: at(34 - 22 * turn, -84))
            .curving(by: at(-50 - 10 * turn, -70), to: at(-84, -44))
            .curving(by: at(-98, -24), to: at(-104, 2))
        canvas.fill(outline, hair)
        let shine = Outline([at(-58, -112)])
            .curving(by: at(0, -140), to: at(56, -114))
            .curving(by: at(0, -126), to: at(-58, -112))
        canvas.fill(shine, Colour(0xFFFFFF), opacity: 0.18)
    }

    private func drawGlasses(on canvas: inout Canvas) {
        let shift = 18 * turn
        for side in [-1.0, 1] {
            let frame = ellipse(side * 40 + shift, 6, 31, 27).points
            let inner = ellipse(side * 40 + shift, 6, 26, 22).points
            canvas.fill(Outline(frame + inner), Self.ink)
            canvas.fill(Outline(inner), Colour(0xFFFFFF), opacity: 0.14)
        }
        canvas.fill(Outline([at(-11 + shift, 1), at(11 + shift, 1), at(11 + shift, 7), at(-11 + shift, 7)]), Self.ink)
    }
}

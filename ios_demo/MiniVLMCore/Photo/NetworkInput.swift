/// A photo as a network takes it, and what leads from the network's pixels back to the photo's.
public struct NetworkInput: Sendable {
    /// (1, 3, H, W), normalised.
    public let image: NDArray<Float>
    /// (2): height and width in pixels of the photo within `image`, from the top-left corner.
    public let extent: NDArray<Float>
    /// Network pixels per photo pixel; the two differ by rounding only.
    public let scale: (x: Double, y: Double)
    /// In pixels.
    public let photoSize: (height: Int, width: Int)

    /// Scales a photo, up or down, until it just fits, and pads it at the right and the bottom with the mean colour.
    ///
    /// - Parameter height: Of the network's input in pixels; `width` likewise.
    public static func letterbox(_ photo: RGBImage, height: Int, width: Int, pixels: PixelFormat) -> NetworkInput {
        let byHeight = Fraction(height, photo.height)
        let scale = byHeight.smaller(Fraction(width, photo.width))
        return NetworkInput(photo, scale: scale, height: height, width: width, pixels: pixels)
    }

    /// Scales a photo until its short side is `short` pixels, or less where its long side would exceed `longest`.
    public static func shortSide(_ photo: RGBImage, short: Int, longest: Int, pixels: PixelFormat) -> NetworkInput {
        let wanted = Fraction(short, min(photo.width, photo.height))
        let scale = wanted.smaller(Fraction(longest, max(photo.width, photo.height)))
        let (height, width) = (scale.applied(to: photo.height), scale.applied(to: photo.width))
        return NetworkInput(photo, scale: scale, height: height, width: width, pixels: pixels)
    }

    private init(_ photo: RGBImage, scale: Fraction, height: Int, width: Int, pixels: PixelFormat) {
        let resized = photo.resized(width: scale.applied(to: photo.width), height: scale.applied(to: photo.height))
        image = Self.normalise(resized, height: height, width: width, pixels: pixels)
        extent = NDArray([Float(resized.height), Float(resized.width)], shape: [2])
        self.scale = (
            x: Double(resized.width) / Double(photo.width), y: Double(resized.height) / Double(photo.height)
        )
        photoSize = (photo.height, photo.width)
    }

    /// Lays levels into the top-left corner of a (1, 3, height, width) tensor of zeros, which are the mean colour.
    private static func normalise(
        _ resized: ResizedLevels, height: Int, width: Int, pixels: PixelFormat
    ) -> NDArray<Float> {
        var image = NDArray<Float>(repeating: 0, shape: [1, 3, height, width])
        for channel in 0..<3 {
            let table = pixels.table(channel: channel)
            let place = pixels.place(channel: channel)
            for y in 0..<resized.height {
                let row = (channel * height + y) * width
                for x in 0..<resized.width {
                    image.values[row + x] = table[Int(resized.levels[3 * (y * resized.width + x) + place])]
                }
            }
        }
        return image
    }

    /// Carries boxes over to the photo.
    ///
    /// - Parameter boxes: (N, 4) x1, y1, x2, y2 in pixels of `image`.
    /// - Returns: One box each in pixels of the photo, clipped to it.
    public func toPhoto(_ boxes: NDArray<Float>) -> [Box] {
        let (scaleX, scaleY) = (Float(scale.x), Float(scale.y))
        let (width, height) = (Float(photoSize.width), Float(photoSize.height))
        return stride(from: 0, to: boxes.values.count, by: 4).map { start in
            let corner = boxes.values[start..<start + 4].map { $0 }
            return Box(
                x1: min(max(corner[0] / scaleX, 0), width), y1: min(max(corner[1] / scaleY, 0), height),
                x2: min(max(corner[2] / scaleX, 0), width), y2: min(max(corner[3] / scaleY, 0), height))
        }
    }
}

/// Corners in pixels, continuous coordinates.
public struct Box: Sendable, Equatable {
    public let x1: Float
    public let y1: Float
    public let x2: Float
    public let y2: Float
}

/// A scale as a fraction, so that every language rounds alike.
private struct Fraction {
    let numerator: Int
    let denominator: Int

    init(_ numerator: Int, _ denominator: Int) {
        self.numerator = numerator
        self.denominator = denominator
    }

    func smaller(_ other: Fraction) -> Fraction {
        numerator * other.denominator <= other.numerator * denominator ? self : other
    }

    /// A side's new length: rounded half up, at least a pixel.
    func applied(to side: Int) -> Int {
        max(1, (2 * side * numerator + denominator) / (2 * denominator))
    }
}

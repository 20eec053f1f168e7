/// A photo with 8 bits a channel, upright and opaque.
public struct RGBImage: Sendable, Equatable {
    /// In pixels.
    public let width: Int
    /// In pixels.
    public let height: Int
    /// (height, width, 3) levels, red first.
    public let levels: [UInt8]

    /// - Throws: `UserError` when there are no pixels.
    /// - Precondition: `levels` has three entries a pixel.
    public init(width: Int, height: Int, levels: [UInt8]) throws {
        guard width > 0, height > 0 else {
            throw UserError("a photo of \(width) x \(height) pixels: choose one with at least one pixel")
        }
        precondition(levels.count == 3 * width * height)
        self.width = width
        self.height = height
        self.levels = levels
    }

    /// Turns stored pixels upright.
    ///
    /// - Parameter orientation: EXIF tag 0x0112; a value outside of 1...8 counts as upright.
    public func upright(orientation: Int) -> RGBImage {
        guard (2...8).contains(orientation) else { return self }
        let swapsSides = orientation >= 5
        let (newWidth, newHeight) = swapsSides ? (height, width) : (width, height)
        var turned = [UInt8](repeating: 0, count: levels.count)
        for y in 0..<newHeight {
            for x in 0..<newWidth {
                let (oldX, oldY) = source(x, y, orientation: orientation)
                let (new, old) = (3 * (y * newWidth + x), 3 * (oldY * width + oldX))
                for channel in 0..<3 {
                    turned[new + channel] = levels[old + channel]
                }
            }
        }
        return RGBImage(turned, width: newWidth, height: newHeight)
    }

    private init(_ levels: [UInt8], width: Int, height: Int) {
        self.levels = levels
        self.width = width
        self.height = height
    }

    /// The stored pixel that is seen at (x, y) of the upright photo.
    private func source(_ x: Int, _ y: Int, orientation: Int) -> (x: Int, y: Int) {
        let (right, bottom) = (width - 1, height - 1)
        switch orientation {
        case 2: return (right - x, y)
        case 3: return (right - x, bottom - y)
        case 4: return (x, bottom - y)
        case 5: return (y, x)
        case 6: return (y, bottom - x)
        case 7: return (right - y, bottom - x)
        case 8: return (right - y, x)
        default: return (x, y)
        }
    }
}

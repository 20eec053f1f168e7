import CoreGraphics
import Foundation
import ImageIO
import MiniVLMCore

/// Reads photo files as docs/preprocessing.md says: upright, opaque, and with the levels that are stored in the file.
enum PhotoDecoder {
    /// More could not be held in memory beside a model.
    private static let mostPixels = 100_000_000

    /// - Throws: `UserError` when these are no bytes of a photo, or of too large a one.
    static func decode(_ data: Data, name: String) throws -> RGBImage {
        guard let source = CGImageSourceCreateWithData(data as CFData, nil),
            let properties = CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [CFString: Any]
        else { throw UserError("\(name) is no photo that this phone can read: choose a JPEG or PNG file") }
        let size = [kCGImagePropertyPixelWidth, kCGImagePropertyPixelHeight].map { properties[$0] as? Int ?? 0 }
        guard size[0] * size[1] <= mostPixels else {
            throw UserError("\(name) has \(size[0]) x \(size[1]) pixels: choose one of at most 100 million")
        }
        guard let image = CGImageSourceCreateImageAtIndex(source, 0, nil) else {
            throw UserError("\(name) is damaged: choose another photo")
        }
        let orientation = properties[kCGImagePropertyOrientation] as? Int ?? 1
        return try levels(of: image, name: name).upright(orientation: orientation)
    }

    /// Draws over white. The context has the image's own colour space, so that nothing is converted.
    private static func levels(of image: CGImage, name: String) throws -> RGBImage {
        let isGrey = image.colorSpace?.model == .monochrome
        let isRGB = image.colorSpace?.model == .rgb && image.colorSpace?.supportsOutput == true
        let fallback = CGColorSpace(name: CGColorSpace.sRGB)
        let channels = isGrey ? 1 : 4
        guard let space = isGrey || isRGB ? image.colorSpace : fallback,
            let context = CGContext(
                data: nil, width: image.width, height: image.height, bitsPerComponent: 8,
                bytesPerRow: channels * image.width, space: space,
                bitmapInfo: (isGrey ? CGImageAlphaInfo.none : .noneSkipLast).rawValue),
            let pixels = context.data
        else { throw UserError("\(name) has colours that this phone cannot convert: choose another photo") }
        let area = CGRect(x: 0, y: 0, width: image.width, height: image.height)
        context.setFillColor(gray: 1, alpha: 1)
        context.fill(area)
        context.draw(image, in: area)
        let count = image.width * image.height
        let stored = UnsafeRawBufferPointer(start: pixels, count: channels * count)
        let levels = [UInt8](unsafeUninitializedCapacity: 3 * count) { buffer, initialized in
            for pixel in 0..<count {
                for channel in 0..<3 {
                    buffer[3 * pixel + channel] = stored[channels * pixel + (isGrey ? 0 : channel)]
                }
            }
            initialized = 3 * count
        }
        return try RGBImage(width: image.width, height: image.height, levels: levels)
    }
}

import CoreGraphics
import MiniVLMCore
import SwiftUI

/// A photo with boxes and tags drawn over it.
struct RegionsView: View {
    let photo: RGBImage
    let regions: [PhotoModel.Region]

    var body: some View {
        if let image = photo.cgImage {
            Image(decorative: image, scale: 1)
                .resizable()
                .aspectRatio(contentMode: .fit)
                .overlay {
                    GeometryReader { geometry in
                        ForEach(regions) { region in
                            RegionFrame(region: region, scale: geometry.size.width / CGFloat(photo.width))
                        }
                    }
                }
        }
    }
}

/// One box with its tag.
private struct RegionFrame: View {
    let region: PhotoModel.Region
    /// Screen points a photo pixel.
    let scale: CGFloat

    var body: some View {
        Rectangle()
            .stroke(Color.yellow, lineWidth: 2)
            .overlay(alignment: .topLeading) {
                Text("\(region.tag) \(region.score.formatted(.number.precision(.fractionLength(2))))")
                    .font(.caption2)
                    .background(Color.yellow.opacity(0.7))
            }
            .frame(
                width: CGFloat(region.box.x2 - region.box.x1) * scale,
                height: CGFloat(region.box.y2 - region.box.y1) * scale
            )
            .offset(x: CGFloat(region.box.x1) * scale, y: CGFloat(region.box.y1) * scale)
    }
}

extension RGBImage {
    /// The levels as an image to show; nil only when there is no memory for it.
    fileprivate var cgImage: CGImage? {
        guard let provider = CGDataProvider(data: Data(levels) as CFData) else { return nil }
        return CGImage(
            width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 24, bytesPerRow: 3 * width,
            space: CGColorSpaceCreateDeviceRGB(), bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.none.rawValue),
            provider: provider, decode: nil, shouldInterpolate: true, intent: .defaultIntent)
    }
}

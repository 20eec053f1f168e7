import CoreGraphics
import MiniVLMCore
import SwiftUI

/// A photo with boxes and what is in them drawn over it, to be tapped.
struct RegionsView: View {
    let model: PhotoModel

    var body: some View {
        if let photo = model.screen.photo, let image = photo.cgImage {
            Image(decorative: image, scale: 1)
                .resizable()
                .aspectRatio(contentMode: .fit)
                .overlay {
                    GeometryReader { geometry in
                        frames(scale: geometry.size.width / CGFloat(photo.width))
                    }
                }
        }
    }

    /// - Parameter scale: Screen points a photo pixel.
    private func frames(scale: CGFloat) -> some View {
        ZStack(alignment: .topLeading) {
            Color.clear
            ForEach(model.screen.regions) { region in
                RegionFrame(region: region, isChosen: region.id == model.screen.chosen, scale: scale)
                    .accessibilityElement(children: .ignore)
                    .accessibilityLabel(region.spoken)
                    .accessibilityAddTraits(region.id == model.screen.chosen ? [.isButton, .isSelected] : .isButton)
                    .accessibilityAction { model.choose(region: region.id) }
            }
        }
        .contentShape(Rectangle())
        .onTapGesture { place in
            model.tap(x: Float(place.x / scale), y: Float(place.y / scale))
        }
    }
}

/// One box with its attribute and tag; the chosen one is thicker and of another colour.
private struct RegionFrame: View {
    let region: ShownRegion
    let isChosen: Bool
    /// Screen points a photo pixel.
    let scale: CGFloat

    var body: some View {
        Rectangle()
            .stroke(isChosen ? Color.cyan : Color.yellow, lineWidth: isChosen ? 4 : 2)
            .overlay(alignment: .topLeading) {
                Text(region.phrase)
                    .font(.caption2)
                    .foregroundStyle(.black)  // on yellow, in dark mode, too
                    .background(isChosen ? Color.cyan : Color.yellow)
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

/// Channel order and statistics of a network's input; weights fit one format only.
public struct PixelFormat: Sendable, Decodable {
    public enum Channels: String, Sendable, Decodable {
        case rgb, bgr
    }

    public let channels: Channels
    /// Subtracted, on the scale 0...255, in the order of `channels`.
    public let mean: [Float]
    /// Divided by afterwards, on the same scale and in the same order.
    public let std: [Float]

    /// torchvision's and timm's statistics of ImageNet, which every extractor for devices is trained with.
    public static let imagenet = PixelFormat(
        channels: .rgb, mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375])

    /// What each of the 256 levels becomes in a channel of the network's input: one float32 subtraction, one division.
    func table(channel: Int) -> [Float] {
        (0..<256).map { (Float($0) - mean[channel]) / std[channel] }
    }

    /// Where a channel of the network's input is found in an RGB pixel.
    func place(channel: Int) -> Int {
        channels == .rgb ? channel : 2 - channel
    }
}

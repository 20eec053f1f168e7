@_exported import Foundation

/// What Apple's Foundation has and Linux's has not.
extension ProcessInfo {
    public enum ThermalState: Int { case nominal, fair, serious, critical }
    public var thermalState: ThermalState { fatalError() }
    public var isLowPowerModeEnabled: Bool { fatalError() }
}
extension URL {
    public static var cachesDirectory: URL { fatalError() }
    public static var documentsDirectory: URL { fatalError() }
}

public typealias CFData = Data
public typealias CFString = String

public final class CGColorSpace {
    public static let sRGB: CFString = ""
    public var model: CGColorSpaceModel { fatalError() }
    public var supportsOutput: Bool { fatalError() }
    public init?(name: CFString) { fatalError() }
}

public enum CGColorSpaceModel { case monochrome, rgb, cmyk }

public func CGColorSpaceCreateDeviceRGB() -> CGColorSpace { fatalError() }

public enum CGImageAlphaInfo: UInt32 { case none, noneSkipLast }

public enum CGColorRenderingIntent { case defaultIntent }

public struct CGBitmapInfo: OptionSet {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { fatalError() }
}

public final class CGDataProvider {
    public init?(data: CFData) { fatalError() }
}

public final class CGImage {
    public var width: Int { fatalError() }
    public var height: Int { fatalError() }
    public var colorSpace: CGColorSpace? { fatalError() }
    public init?(
        width: Int, height: Int, bitsPerComponent: Int, bitsPerPixel: Int, bytesPerRow: Int, space: CGColorSpace,
        bitmapInfo: CGBitmapInfo, provider: CGDataProvider, decode: UnsafePointer<CGFloat>?, shouldInterpolate: Bool,
        intent: CGColorRenderingIntent
    ) { fatalError() }
}

public final class CGContext {
    public var data: UnsafeMutableRawPointer? { fatalError() }
    public init?(
        data: UnsafeMutableRawPointer?, width: Int, height: Int, bitsPerComponent: Int, bytesPerRow: Int,
        space: CGColorSpace, bitmapInfo: UInt32
    ) { fatalError() }
    public func setFillColor(gray: CGFloat, alpha: CGFloat) { fatalError() }
    public func fill(_ area: CGRect) { fatalError() }
    public func draw(_ image: CGImage, in area: CGRect) { fatalError() }
}

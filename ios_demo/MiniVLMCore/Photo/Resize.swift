/// The resize of docs/preprocessing.md, to the bit: columns first, then rows, rounded to 8 bits between the two.
extension RGBImage {
    func resized(width newWidth: Int, height newHeight: Int) -> ResizedLevels {
        let across = ResizedLevels(levels: levels, width: width, height: height).withWidth(newWidth)
        return across.withHeight(newHeight)
    }
}

/// (height, width, 3) levels on their way to a network.
struct ResizedLevels {
    let levels: [UInt8]
    let width: Int
    let height: Int

    func withWidth(_ newWidth: Int) -> ResizedLevels {
        guard newWidth != width else { return self }
        let axis = ResizeAxis(from: width, to: newWidth)
        let made = Self.filled(3 * newWidth * height) { result in
            levels.withUnsafeBufferPointer { source in
                for line in 0..<height {
                    axis.apply(
                        source, start: 3 * line * width, step: 3, lanes: 3,
                        to: result, start: 3 * line * newWidth, step: 3)
                }
            }
        }
        return ResizedLevels(levels: made, width: newWidth, height: height)
    }

    func withHeight(_ newHeight: Int) -> ResizedLevels {
        guard newHeight != height else { return self }
        let axis = ResizeAxis(from: height, to: newHeight)
        let row = 3 * width
        let made = Self.filled(row * newHeight) { result in
            levels.withUnsafeBufferPointer { source in
                axis.apply(source, start: 0, step: row, lanes: row, to: result, start: 0, step: row)
            }
        }
        return ResizedLevels(levels: made, width: width, height: newHeight)
    }

    private static func filled(_ count: Int, by fill: (UnsafeMutableBufferPointer<UInt8>) -> Void) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            buffer.initialize(repeating: 0)
            fill(buffer)
            initialized = count
        }
    }
}

/// Weights of one axis: the same for every line.
private struct ResizeAxis {
    /// First old place that each new place reads.
    private var first: [Int] = []
    /// Weights of the places from there on, in units of 2^-22.
    private var weights: [[Int32]] = []

    init(from length: Int, to newLength: Int) {
        let scale = Double(length) / Double(newLength)
        let support = max(scale, 1)
        for new in 0..<newLength {
            let center = (Double(new) + 0.5) * scale
            let start = max(Int(center - support + 0.5), 0)
            let end = min(Int(center + support + 0.5), length)
            let exact = (start..<end).map { max(1 - abs((Double($0) - center + 0.5) * (1 / support)), 0) }
            let total = exact.reduce(0, +)
            first.append(start)
            weights.append(exact.map { Int32($0 / total * Double(1 << 22) + 0.5) })
        }
    }

    /// Filters `lanes` neighbouring lines at once; `step` is the distance of two places along the axis.
    func apply(
        _ source: UnsafeBufferPointer<UInt8>, start: Int, step: Int, lanes: Int,
        to result: UnsafeMutableBufferPointer<UInt8>, start resultStart: Int, step resultStep: Int
    ) {
        for new in 0..<first.count {
            weights[new].withUnsafeBufferPointer { kernel in
                let from = start + first[new] * step
                for lane in 0..<lanes {
                    var sum: Int32 = 1 << 21
                    for tap in 0..<kernel.count {
                        sum &+= kernel[tap] &* Int32(source[from + tap * step + lane])
                    }
                    result[resultStart + new * resultStep + lane] = UInt8(min(max(sum >> 22, 0), 255))
                }
            }
        }
    }
}

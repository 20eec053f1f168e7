/// Values of a tensor, row by row.
public struct NDArray<Scalar: Sendable>: Sendable {
    public let shape: [Int]
    public var values: [Scalar]

    /// - Precondition: There are as many values as the shape has places.
    public init(_ values: [Scalar], shape: [Int]) {
        precondition(values.count == shape.reduce(1, *), "\(values.count) values for the shape \(shape)")
        self.shape = shape
        self.values = values
    }

    public init(repeating value: Scalar, shape: [Int]) {
        self.init(Array(repeating: value, count: shape.reduce(1, *)), shape: shape)
    }
}

extension NDArray: Equatable where Scalar: Equatable {}

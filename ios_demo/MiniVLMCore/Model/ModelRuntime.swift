/// What executes the methods of one artifact; it knows nothing about what they mean.
///
/// Runtimes are not safe to call from two threads at once: an actor owns each.
public protocol ModelRuntime: AnyObject {
    /// As in records: "executorch" or "coreml".
    var name: String { get }

    /// Threads that it computes with; nil where it does not tell.
    var threads: Int? { get }

    /// Runs a method.
    ///
    /// - Parameter inputs: In the order of `method.inputs`.
    /// - Returns: In the order of `method.outputs`; the tensors stay valid after later calls.
    func run(_ method: MethodSpec, _ inputs: [any RuntimeTensor]) throws -> [any RuntimeTensor]
}

/// A tensor in whatever form a runtime keeps it, so that what one method returns reaches the next without a detour.
public protocol RuntimeTensor {
    var shape: [Int] { get }

    /// Values row by row.
    ///
    /// - Throws: `UserError` when they are integers.
    func floats() throws -> [Float]

    /// Values row by row.
    ///
    /// - Throws: `UserError` when they are no integers.
    func integers() throws -> [Int64]
}

/// Values of Swift's own on their way into a runtime.
public enum HostTensor: RuntimeTensor, Sendable, Equatable {
    case float32(NDArray<Float>)
    case int64(NDArray<Int64>)

    public static func int64(_ values: [Int], shape: [Int]) -> HostTensor {
        .int64(NDArray(values.map(Int64.init), shape: shape))
    }

    public var shape: [Int] {
        switch self {
        case .float32(let array): array.shape
        case .int64(let array): array.shape
        }
    }

    public func floats() throws -> [Float] {
        guard case .float32(let array) = self else { throw UserError("integers where numbers were expected") }
        return array.values
    }

    public func integers() throws -> [Int64] {
        guard case .int64(let array) = self else { throw UserError("numbers where integers were expected") }
        return array.values
    }
}

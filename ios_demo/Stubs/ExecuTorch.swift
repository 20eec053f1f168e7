import Foundation

public enum ModuleLoadMode { case file, mmap }

public final class Module {
    public init(filePath: String, loadMode: ModuleLoadMode = .file) { fatalError() }
    public func load(_ method: String) throws { fatalError() }
    public func execute(_ method: String, _ inputs: [any ValueConvertible]) throws -> [Value] { fatalError() }
}

public protocol Scalar {}
extension Float: Scalar {}
extension Int64: Scalar {}

public protocol ValueConvertible {}

public final class Value: ValueConvertible {
    public func tensor<T: Scalar>() -> Tensor<T>? { fatalError() }
}

public final class Tensor<T: Scalar>: ValueConvertible {
    public var shape: [Int] { fatalError() }
    public init(_ scalars: [T], shape: [Int] = []) { fatalError() }
    public func copy() -> Tensor<T> { fatalError() }
    public func scalars() -> [T] { fatalError() }
}

import Foundation

public enum MLComputeUnits { case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine }

public final class MLModelConfiguration {
    public var computeUnits: MLComputeUnits {
        get { fatalError() }
        set { fatalError() }
    }
    public var functionName: String? {
        get { fatalError() }
        set { fatalError() }
    }
    public init() { fatalError() }
}

public final class MLModel {
    public static func compileModel(at url: URL) async throws -> URL { fatalError() }
    public static func load(contentsOf url: URL, configuration: MLModelConfiguration) async throws -> sending MLModel {
        fatalError()
    }
    public func prediction(from input: any MLFeatureProvider) throws -> any MLFeatureProvider { fatalError() }
}

public protocol MLFeatureProvider {
    func featureValue(for name: String) -> MLFeatureValue?
}

public final class MLFeatureValue {
    public var multiArrayValue: MLMultiArray? { fatalError() }
}

public final class MLDictionaryFeatureProvider: MLFeatureProvider {
    public init(dictionary: [String: Any]) throws { fatalError() }
    public func featureValue(for name: String) -> MLFeatureValue? { fatalError() }
}

public enum MLMultiArrayDataType { case double, float32, float16, int32 }

public final class MLMultiArray {
    public var shape: [NSNumber] { fatalError() }
    public var dataType: MLMultiArrayDataType { fatalError() }
    public init<Scalar>(_ array: MLShapedArray<Scalar>) { fatalError() }
}

public struct MLShapedArray<Scalar> {
    public init(scalars: [Scalar], shape: [Int]) { fatalError() }
    public init(converting array: MLMultiArray) { fatalError() }
    public var scalars: [Scalar] { fatalError() }
}

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

public enum MLComputeDevice {
    case cpu(MLCPUComputeDevice)
    case gpu(MLGPUComputeDevice)
    case neuralEngine(MLNeuralEngineComputeDevice)
}

public final class MLCPUComputeDevice {}

public final class MLGPUComputeDevice {}

public final class MLNeuralEngineComputeDevice {}

public final class MLComputePlan {
    public static func load(
        contentsOf url: URL, configuration: MLModelConfiguration
    ) async throws -> sending MLComputePlan { fatalError() }
    public var modelStructure: MLModelStructure { fatalError() }
    public func deviceUsage(for operation: MLModelStructure.Program.Operation) -> DeviceUsage? { fatalError() }

    public struct DeviceUsage {
        public var preferred: MLComputeDevice { fatalError() }
    }
}

public enum MLModelStructure {
    case program(Program)
    case unsupported

    public struct Program {
        public var functions: [String: Function] { fatalError() }

        public struct Function {
            public var block: Block { fatalError() }
        }

        public struct Block {
            public var operations: [Operation] { fatalError() }
        }

        public struct Operation {
            public var blocks: [Block] { fatalError() }
        }
    }
}

import CoreML
import Foundation
import MiniVLMCore

/// Runs an .mlpackage: one Core ML function a method, under the method's name; a part's only function is the default.
final class CoreMLRuntime: ModelRuntime {
    let name = "coreml"
    private let models: [String: MLModel]

    /// - Throws: `UserError` when the package cannot be compiled or loaded.
    init(_ artifact: Artifact, computeUnits: MLComputeUnits) async throws {
        do {
            let compiled = try await Self.compile(artifact.file)
            var models: [String: MLModel] = [:]
            for method in artifact.sidecar.methods.map(\.name) {
                let configuration = Self.configuration(method, of: artifact, computeUnits)
                models[method] = try await MLModel.load(contentsOf: compiled, configuration: configuration)
            }
            self.models = models
        } catch {
            throw UserError("Core ML cannot load \(artifact.name) (\(error.localizedDescription)): export it again")
        }
    }

    /// Core ML has no setting for it, decides between units by itself, and does not tell.
    var threads: Int? { nil }

    func run(_ method: MethodSpec, _ inputs: [any RuntimeTensor]) throws -> [any RuntimeTensor] {
        guard let model = models[method.name] else { throw UserError("no function '\(method.name)' in the package") }
        let arrays = try zip(method.inputs, inputs).map { ($0.name, try CoreMLTensor($1).array) }
        let provider = try MLDictionaryFeatureProvider(dictionary: Dictionary(uniqueKeysWithValues: arrays))
        let results = try model.prediction(from: provider)
        return try method.outputs.map { output in
            guard let array = results.featureValue(for: output.name)?.multiArrayValue else {
                throw UserError("\(method.name) returned no array '\(output.name)': export the model again")
            }
            return CoreMLTensor(array: array)
        }
    }

    /// Where the package that was opened last lies, compiled.
    static let place = URL.cachesDirectory.appending(path: "compiled.mlmodelc")

    /// The configuration of one method.
    static func configuration(
        _ method: String, of artifact: Artifact, _ computeUnits: MLComputeUnits
    ) -> MLModelConfiguration {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits
        configuration.functionName = artifact.sidecar.methods.count > 1 ? method : nil
        return configuration
    }

    /// Compiles a package to a place of its own, where the next one replaces it: they are as large as the models.
    private static func compile(_ package: URL) async throws -> URL {
        let made = try await MLModel.compileModel(at: package)
        if FileManager.default.fileExists(atPath: place.path) {
            try FileManager.default.removeItem(at: place)
        }
        try FileManager.default.moveItem(at: made, to: place)
        return place
    }
}

/// A tensor that Core ML takes without conversion. Core ML knows no int64: integers are int32 here.
private struct CoreMLTensor: RuntimeTensor {
    let array: MLMultiArray

    init(array: MLMultiArray) {
        self.array = array
    }

    init(_ tensor: any RuntimeTensor) throws {
        switch tensor {
        case let own as CoreMLTensor:
            array = own.array
        case HostTensor.int64(let integers):
            let narrow = integers.values.map { Int32(clamping: $0) }
            array = MLMultiArray(MLShapedArray<Int32>(scalars: narrow, shape: integers.shape))
        default:
            array = MLMultiArray(MLShapedArray<Float>(scalars: try tensor.floats(), shape: tensor.shape))
        }
    }

    var shape: [Int] { array.shape.map(\.intValue) }

    func floats() throws -> [Float] {
        guard array.dataType != .int32 else { throw UserError("integers where numbers were expected") }
        return MLShapedArray<Float>(converting: array).scalars
    }

    func integers() throws -> [Int64] {
        guard array.dataType == .int32 else { throw UserError("numbers where integers were expected") }
        return MLShapedArray<Int32>(converting: array).scalars.map(Int64.init)
    }
}

extension MLComputeUnits {
    init(_ units: BenchmarkRequest.ComputeUnits) {
        switch units {
        case .all: self = .all
        case .cpu: self = .cpuOnly
        case .cpuGPU: self = .cpuAndGPU
        case .cpuANE: self = .cpuAndNeuralEngine
        }
    }
}

import ExecuTorch
import Foundation
import MiniVLMCore

/// Runs a .pte file, with whichever backends it was lowered to: XNNPACK, Core ML.
final class ExecuTorchRuntime: ModelRuntime {
    let name = "executorch"
    private let module: Module

    /// - Throws: `UserError` when the file cannot be loaded.
    init(_ artifact: Artifact) throws {
        module = Module(filePath: artifact.file.path, loadMode: .mmap)
        do {
            for method in artifact.sidecar.methods {
                try module.load(method.name)
            }
        } catch {
            throw UserError(
                "ExecuTorch cannot load \(artifact.name) (\(error.localizedDescription)): "
                    + "export it with the ExecuTorch version of project.yml")
        }
    }

    /// ExecuTorch takes the performance cores, and its Swift interface cannot change that.
    var threads: Int? { performanceCores() }

    func run(_ method: MethodSpec, _ inputs: [any RuntimeTensor]) throws -> [any RuntimeTensor] {
        let outputs: [Value] = try module.execute(method.name, try inputs.map { try ExecuTorchTensor($0).value })
        return try outputs.map { try ExecuTorchTensor(copying: $0, of: method.name) }
    }
}

/// A tensor that ExecuTorch takes without conversion.
private enum ExecuTorchTensor: RuntimeTensor {
    case float32(Tensor<Float>)
    case int64(Tensor<Int64>)

    init(_ tensor: any RuntimeTensor) throws {
        switch tensor {
        case let own as ExecuTorchTensor: self = own
        case HostTensor.int64(let array): self = .int64(Tensor<Int64>(array.values, shape: array.shape))
        default: self = .float32(Tensor<Float>(try tensor.floats(), shape: tensor.shape))
        }
    }

    /// Copies a result: the method's next call writes to the same memory.
    init(copying value: Value, of method: String) throws {
        if let floats: Tensor<Float> = value.tensor() {
            self = .float32(floats.copy())
        } else if let integers: Tensor<Int64> = value.tensor() {
            self = .int64(integers.copy())
        } else {
            throw UserError("\(method) returned something that is neither float32 nor int64: export the model again")
        }
    }

    var value: any ValueConvertible {
        switch self {
        case .float32(let tensor): tensor
        case .int64(let tensor): tensor
        }
    }

    var shape: [Int] {
        switch self {
        case .float32(let tensor): tensor.shape
        case .int64(let tensor): tensor.shape
        }
    }

    func floats() throws -> [Float] {
        guard case .float32(let tensor) = self else { throw UserError("integers where numbers were expected") }
        return tensor.scalars()
    }

    func integers() throws -> [Int64] {
        guard case .int64(let tensor) = self else { throw UserError("numbers where integers were expected") }
        return tensor.scalars()
    }
}

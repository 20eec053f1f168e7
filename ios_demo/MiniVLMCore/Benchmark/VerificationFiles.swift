import Foundation

/// A tensor in a file of raw little-endian values.
struct TensorFile: Codable, Equatable {
    let name: String
    let shape: [Int]
    /// "float32" or "int64".
    let dtype: String
    let file: String
    let sha256: String
}

/// parity.json: inputs of an artifact's methods, which the host made.
struct VerificationInputs {
    private struct Content: Decodable {
        struct Method: Decodable {
            let name: String
            let inputs: [TensorFile]
        }

        let format: Int
        let methods: [Method]
    }

    /// Inputs by method, in the file's order.
    let methods: [(name: String, inputs: [(name: String, tensor: HostTensor)])]

    /// - Throws: `UserError`: the description or a file is missing, damaged or of another format.
    init(folder: URL, sha256: (URL) throws -> String) throws {
        let place = "inputs/\(folder.lastPathComponent)"
        guard let data = try? Data(contentsOf: folder.appendingPathComponent("parity.json")) else {
            throw UserError("no \(place)/parity.json: let bench/run.py copy the model's inputs over")
        }
        guard let content = try? JSONCoding.decoder.decode(Content.self, from: data), content.format == 1 else {
            throw UserError("\(place)/parity.json is not of format 1: let bench/run.py copy it over again")
        }
        methods = try content.methods.map { method in
            (method.name, try method.inputs.map { ($0.name, try read($0, in: folder, sha256: sha256)) })
        }
    }

    func inputs(of method: String) throws -> [(name: String, tensor: HostTensor)] {
        guard let found = methods.first(where: { $0.name == method }) else {
            throw UserError("parity.json has no inputs for the method '\(method)': let bench/run.py copy it over again")
        }
        return found.inputs
    }
}

/// outputs.json: what the artifact made of these inputs.
struct VerificationOutputs: Codable {
    struct Method: Codable {
        let name: String
        let outputs: [TensorFile]
    }

    var format = 1
    let artifact: Record.ArtifactFile
    private(set) var methods: [Method] = []

    init(artifact: Record.ArtifactFile) {
        self.artifact = artifact
    }

    /// Writes a method's outputs into files.
    mutating func add(
        _ method: MethodSpec, _ outputs: [any RuntimeTensor], in folder: URL, sha256: (URL) throws -> String
    ) throws {
        guard outputs.count == method.outputs.count else {
            throw UserError("\(method.name) returned \(outputs.count) tensors, not \(method.outputs.count)")
        }
        let files = try zip(method.outputs, outputs).map { spec, output in
            let isInteger = spec.dtype.hasPrefix("int")
            let bytes = isInteger ? rawBytes(try output.integers()) : rawBytes(try output.floats())
            let file = folder.appendingPathComponent("\(method.name)-\(spec.name).bin")
            try bytes.write(to: file, options: .atomic)
            return TensorFile(
                name: spec.name, shape: output.shape, dtype: isInteger ? "int64" : "float32",
                file: file.lastPathComponent, sha256: try sha256(file))
        }
        methods.append(Method(name: method.name, outputs: files))
    }

    func write(in folder: URL) throws {
        try JSONCoding.encoder.encode(self).write(to: folder.appendingPathComponent("outputs.json"), options: .atomic)
    }
}

private func read(_ spec: TensorFile, in folder: URL, sha256: (URL) throws -> String) throws -> HostTensor {
    let file = folder.appendingPathComponent(spec.file)
    guard let bytes = try? Data(contentsOf: file), try sha256(file) == spec.sha256 else {
        throw UserError("inputs/\(folder.lastPathComponent)/\(spec.file) is missing or damaged: copy it over again")
    }
    let count = spec.shape.reduce(1, *)
    switch (spec.dtype, bytes.count) {
    case ("float32", 4 * count): return .float32(NDArray(values(bytes), shape: spec.shape))
    case ("int64", 8 * count): return .int64(NDArray(values(bytes), shape: spec.shape))
    default: throw UserError("\(spec.file): \(bytes.count) bytes are not \(count) values of \(spec.dtype)")
    }
}

/// Every device of Apple's, and every host, is little-endian.
private func values<Scalar>(_ bytes: Data) -> [Scalar] {
    [Scalar](unsafeUninitializedCapacity: bytes.count / MemoryLayout<Scalar>.stride) { buffer, initialized in
        initialized = bytes.copyBytes(to: buffer) / MemoryLayout<Scalar>.stride
    }
}

private func rawBytes<Scalar>(_ values: [Scalar]) -> Data {
    values.withUnsafeBytes { Data($0) }
}

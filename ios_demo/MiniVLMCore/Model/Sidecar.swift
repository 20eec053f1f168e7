import Foundation

/// Name, shape and element type of one input or output.
public struct TensorSpec: Sendable, Equatable, Decodable {
    public let name: String
    public let shape: [Int]
    /// "float32", "int64"; "int32" where the runtime has no int64, as Core ML.
    public let dtype: String

    public init(name: String, shape: [Int], dtype: String) {
        self.name = name
        self.shape = shape
        self.dtype = dtype
    }
}

/// One entry point of an artifact.
public struct MethodSpec: Sendable, Equatable, Decodable {
    public let name: String
    public let inputs: [TensorSpec]
    public let outputs: [TensorSpec]

    public init(name: String, inputs: [TensorSpec], outputs: [TensorSpec]) {
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
    }
}

/// What an app needs of the JSON file beside an artifact, which `export/core/sidecar.py` writes.
public struct Sidecar: Sendable, Decodable {
    public struct Weights: Sendable, Decodable {
        public let description: String
    }

    public let format: Int
    public let model: String
    public let runtime: String
    /// What an ExecuTorch program was lowered to first; nil in sidecars from before there was a choice.
    public let delegate: String?
    public let precision: String
    public let weights: Weights
    public let methods: [MethodSpec]
    public let photo: String
    public let bytes: Int
    public let sha256: String

    /// The format that this app reads.
    static let readable = 2

    /// What runs it: the runtime, with the delegate where that is not the usual one, such as "executorch-coreml".
    public var target: String {
        guard let delegate, !["", "xnnpack"].contains(delegate) else { return runtime }
        return "\(runtime)-\(delegate)"
    }

    public func method(_ name: String) -> MethodSpec? {
        methods.first { $0.name == name }
    }

    /// (height, width) of the vision input in pixels; nil for a transformer.
    public var imageSize: (height: Int, width: Int)? {
        let shapes = methods.flatMap(\.inputs).filter { $0.name == "image" }.map(\.shape)
        return shapes.first.map { (height: $0[2], width: $0[3]) }
    }

    /// Whether this is a whole model, from photo to caption.
    public var isWhole: Bool {
        ["regions", "prefill", "step"].allSatisfy { method($0) != nil }
    }
}

/// An artifact with what belongs to it: STEM.pte or STEM.mlpackage, STEM.json, and for a whole model STEM-words.
public struct Artifact: Sendable {
    public let file: URL
    public let sidecar: Sidecar

    public static let suffixes = ["pte", "mlpackage"]

    /// - Throws: `UserError`: the artifact or its sidecar is not there, or the sidecar cannot be read.
    public init(_ file: URL) throws {
        guard FileManager.default.fileExists(atPath: file.path) else {
            throw UserError("no model \(file.lastPathComponent) here: copy it into the app's Documents/models")
        }
        let sidecar = file.deletingPathExtension().appendingPathExtension("json")
        guard let data = try? Data(contentsOf: sidecar) else {
            throw UserError(
                "\(file.lastPathComponent) has no \(sidecar.lastPathComponent) beside it: copy it there, too")
        }
        guard let read = try? JSONCoding.decoder.decode(Sidecar.self, from: data), read.format == Sidecar.readable
        else {
            throw UserError(
                "\(sidecar.lastPathComponent) is not a sidecar of format \(Sidecar.readable): export the model again")
        }
        self.file = file
        self.sidecar = read
    }

    /// Name without suffix.
    public var stem: String { file.deletingPathExtension().lastPathComponent }

    public var name: String { file.lastPathComponent }

    /// Where the vocabulary, tags and answers of a whole model are.
    public var labelsFolder: URL { file.deletingLastPathComponent().appendingPathComponent("\(stem)-words") }

    /// The models in a folder, by name.
    ///
    /// - Throws: `UserError` when there is none, with the way to get one.
    public static func all(in folder: URL) throws -> [URL] {
        let found = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        let models = found.filter { suffixes.contains($0.pathExtension) }
        guard !models.isEmpty else {
            throw UserError(
                "no model in this app's \(folder.lastPathComponent) folder: export one and copy it over, "
                    + "as docs/phones-ios.md shows")
        }
        return models.sorted { $0.lastPathComponent < $1.lastPathComponent }
    }

    /// - Throws: `UserError`: the artifact has no such method.
    public func method(_ name: String) throws -> MethodSpec {
        guard let method = sidecar.method(name) else {
            let present = sidecar.methods.map(\.name).joined(separator: ", ")
            throw UserError("\(self.name) has no method '\(name)', only \(present): export a model that has it")
        }
        return method
    }
}

import Foundation

@testable import MiniVLMCore

/// A device that is as warm as the test says, and runs a small model made of arithmetic.
final class FakeDevice: BenchmarkPlatform, @unchecked Sendable {
    var thermal: [ThermalState] = [.nominal]
    var savesPower = false
    /// What is answered to whether the foreground was lost, once each.
    var lost: [Bool] = []
    var broken: UserError?
    var tellsThreads = true
    /// Where methods are said to run, and the units that were asked for.
    var placed: Placements = [:]
    private(set) var units: [BenchmarkRequest.ComputeUnits] = []
    private(set) var opened = ToyRuntime()
    private(set) var slept = 0.0
    private(set) var said: [String] = []
    private var looked = 0

    func open(_ artifact: Artifact, computeUnits: BenchmarkRequest.ComputeUnits) async throws -> any ModelRuntime {
        units.append(computeUnits)
        if let broken { throw broken }
        opened = ToyRuntime(tellsThreads: tellsThreads)
        return opened
    }

    func placements(_ artifact: Artifact, computeUnits: BenchmarkRequest.ComputeUnits) async -> Placements { placed }

    func photo(at file: URL) throws -> RGBImage {
        guard FileManager.default.fileExists(atPath: file.path) else {
            throw UserError("no photo \(file.lastPathComponent) in inputs: copy it over")
        }
        return try RGBImage(width: 4, height: 2, levels: Array(0..<24))
    }

    /// Stands for SHA-256, which Foundation alone does not have: it only must tell contents apart.
    func sha256(_ data: Data) -> String {
        String(data.reduce(UInt64(5381)) { $0 &* 33 &+ UInt64($1) }, radix: 16)
    }

    func sha256(of file: URL) throws -> String {
        sha256(try Data(contentsOf: file))
    }

    /// The next state of `thermal`, the last one for ever.
    func thermalState() -> ThermalState {
        thermal.count > 1 ? thermal.removeFirst() : thermal[0]
    }

    func lowPower() -> Bool { savesPower }

    func lostForeground() -> Bool { lost.isEmpty ? false : lost.removeFirst() }

    /// 100 bytes before anything is loaded, 10 more each time somebody looks.
    func footprint() -> Int {
        looked += 1
        return 90 + 10 * looked
    }

    func environment() async -> [String: JSONValue] {
        ["phone": .text("iPhone0,0"), "cores": .int(6), "battery": .null, "versions": .object(["app": .text("0.1.0")])]
    }

    func sleep(seconds: Double) async { slept += seconds }

    func say(_ line: String) { said.append(line) }
}

/// A whole model in miniature: 2 regions of 3 features, 1 layer, 1 head of width 1, and the vocabulary's size.
final class ToyRuntime: ModelRuntime {
    let name = "executorch"
    let threads: Int?
    private(set) var ran: [String] = []

    init(tellsThreads: Bool = true) {
        threads = tellsThreads ? 6 : nil
    }

    static let vocabulary = 400

    func run(_ method: MethodSpec, _ inputs: [any RuntimeTensor]) throws -> [any RuntimeTensor] {
        ran.append(method.name)
        switch method.name {
        case "regions": return regions()
        case "prefill": return [zeros([1, 1, 1, 80, 1]), zeros([1, 1, 1, 80, 1])]
        case "step": return try step(inputs)
        case "vqa": return [floats([0, 2, -1], [1, 3])]
        default: return [floats(try inputs[0].floats().map { 2 * $0 }, inputs[0].shape)]
        }
    }

    /// Two regions, a dog with attribute 2 and one that only fills, and one proposal.
    private func regions() -> [any RuntimeTensor] {
        [
            floats([1, 2, 3, 0, 0, 0], [2, 3]), floats([0, 0, 16, 16, 0, 0, 0, 0], [2, 4]),
            floats(Array(repeating: 0.5, count: 12), [2, 6]), HostTensor.int64([1, 0], shape: [2]),
            floats([0.75, 0], [2]), HostTensor.int64([2, 1], shape: [2]), floats([0.5, 0.5], [2]),
            floats([0, 0, 0, 0], [1, 4]),
        ]
    }

    /// Whatever came last, 300 follows, then 301, and then the caption ends.
    private func step(_ inputs: [any RuntimeTensor]) throws -> [any RuntimeTensor] {
        let position = Int(try inputs[1].integers()[0])
        var logits = [Float](repeating: 0, count: Self.vocabulary)
        logits[position < 2 ? 300 + position : Toy.special.sep] = 5
        return [floats(logits, [1, Self.vocabulary]), inputs[5], inputs[6]]
    }

    private func floats(_ values: [Float], _ shape: [Int]) -> HostTensor { .float32(NDArray(values, shape: shape)) }

    private func zeros(_ shape: [Int]) -> HostTensor { .float32(NDArray(repeating: 0, shape: shape)) }
}

/// The toy model's files, laid out in a Documents folder as the host lays them out.
struct Toy {
    let files: BenchmarkFiles
    let device = FakeDevice()

    static let whole = "toy-executorch-fp32.pte"
    static let part = "part-executorch-fp32.pte"
    /// Of vocab_tiny.txt.
    static let special = SpecialTokens(pad: 0, unk: 1, cls: 2, sep: 3, mask: 4)

    init(documents: URL) throws {
        files = BenchmarkFiles(documents: documents)
        try files.makeFolders()
        try Data("photo".utf8).write(to: files.inputs.appendingPathComponent("china.jpg"))
        try write(Self.whole, model: "toy", methods: Self.methods)
        try write(Self.part, model: "part", methods: [Self.forward])
        try writeLabels()
        try writeVerificationInputs(for: "toy-executorch-fp32", method: "regions")
        try writeVerificationInputs(for: "part-executorch-fp32", method: "forward")
    }

    private static let forward = MethodSpec(
        name: "forward", inputs: [TensorSpec(name: "image", shape: [1, 2], dtype: "float32")],
        outputs: [TensorSpec(name: "doubled", shape: [1, 2], dtype: "float32")])

    private static let methods = [
        MethodSpec(
            name: "regions", inputs: [TensorSpec(name: "image", shape: [1, 3, 32, 32], dtype: "float32")],
            outputs: [
                "features", "boxes", "geometry", "tags", "scores", "attributes", "attribute_scores", "proposals",
            ].map { TensorSpec(name: $0, shape: [], dtype: ["tags", "attributes"].contains($0) ? "int64" : "float32") }
        ),
        MethodSpec(name: "prefill", inputs: [], outputs: []), MethodSpec(name: "step", inputs: [], outputs: []),
        MethodSpec(name: "vqa", inputs: [], outputs: []),
    ]

    private func write(_ name: String, model: String, methods: [MethodSpec]) throws {
        let file = files.models.appendingPathComponent(name)
        try Data(name.utf8).write(to: file)
        let sidecar: [String: Any] = [
            "format": 2, "model": model, "runtime": "executorch", "precision": "fp32",
            "weights": ["kind": "random", "description": "random (seed 0)"], "photo": "china.jpg",
            "bytes": name.utf8.count, "sha256": try device.sha256(of: file), "methods": methods.map(json),
        ]
        let beside = file.deletingPathExtension().appendingPathExtension("json")
        try JSONSerialization.data(withJSONObject: sidecar).write(to: beside)
    }

    private func json(_ method: MethodSpec) -> [String: Any] {
        func tensors(_ specs: [TensorSpec]) -> [[String: Any]] {
            specs.map { ["name": $0.name, "shape": $0.shape, "dtype": $0.dtype] }
        }
        return ["name": method.name, "inputs": tensors(method.inputs), "outputs": tensors(method.outputs)]
    }

    private func writeLabels() throws {
        let labels = files.models.appendingPathComponent("toy-executorch-fp32-words")
        try FileManager.default.createDirectory(at: labels, withIntermediateDirectories: true)
        try Data(contentsOf: Fixture.vocabulary("vocab_tiny.txt")).write(to: labels.appendingPathComponent("vocab.txt"))
        try Data("cat\ndog\n".utf8).write(to: labels.appendingPathComponent("tags.txt"))
        try Data("old\nred\n".utf8).write(to: labels.appendingPathComponent("attributes.txt"))
        try Data("no\nyes\ntwo\n".utf8).write(to: labels.appendingPathComponent("answers.txt"))
    }

    /// Inputs [1, -2.5] of one method.
    private func writeVerificationInputs(for stem: String, method: String) throws {
        let folder = files.inputs.appendingPathComponent(stem)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appendingPathComponent("\(method)-image.bin")
        try Data([0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC0]).write(to: file)  // IEEE 754: 1.0 is 3F800000, -2.5 is C0200000
        let tensor: [String: Any] = [
            "name": "image", "shape": [1, 2], "dtype": "float32", "file": file.lastPathComponent,
            "sha256": try device.sha256(of: file),
        ]
        let content: [String: Any] = ["format": 1, "methods": [["name": method, "inputs": [tensor]]]]
        try JSONSerialization.data(withJSONObject: content).write(to: folder.appendingPathComponent("parity.json"))
    }
}

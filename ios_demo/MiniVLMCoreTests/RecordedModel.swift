@testable import MiniVLMCore

/// A model that knows by heart what follows some beginnings of captions (tests/fixtures/caption): "step" finds the
/// beginning in the cache alone, so that whoever loses, swaps or misplaces a cache slot writes another caption.
final class RecordedModel: ModelRuntime {
    let name = "recorded"
    let threads: Int? = 1
    private let layout: CaptionLayout
    /// Tokens so far -> logits of the next one.
    private let logits: [[Int]: [Float]]
    private let otherwise: [Float]

    init(layout: CaptionLayout, logits: [[Int]: [Float]], otherwise: [Float]) {
        self.layout = layout
        self.logits = logits
        self.otherwise = otherwise
    }

    static let prefill = MethodSpec(name: "prefill", inputs: [], outputs: [])
    static let step = MethodSpec(name: "step", inputs: [], outputs: [])

    func run(_ method: MethodSpec, _ inputs: [any RuntimeTensor]) throws -> [any RuntimeTensor] {
        method == Self.prefill ? prefill() : try step(inputs)
    }

    private func prefill() -> [any RuntimeTensor] {
        let shape = [1, 1, 1, layout.tagLength + layout.regions, 1]
        return [HostTensor](repeating: .float32(NDArray(repeating: 0, shape: shape)), count: 2)
    }

    /// Inputs: last token, position, context keys, values and mask, caption keys and values. Keys hold the tokens so
    /// far, values their negatives.
    private func step(_ inputs: [any RuntimeTensor]) throws -> [any RuntimeTensor] {
        let token = Float(try inputs[0].integers()[0])
        let position = Int(try inputs[1].integers()[0])
        var (keys, values) = (try inputs[5].floats(), try inputs[6].floats())
        (keys[position], values[position]) = (token, -token)
        let shape = inputs[5].shape
        let row = logits[keys[...position].map(Int.init)] ?? otherwise
        return [
            HostTensor.float32(NDArray(row, shape: [1, row.count])), HostTensor.float32(NDArray(keys, shape: shape)),
            HostTensor.float32(NDArray(values, shape: shape)),
        ]
    }
}

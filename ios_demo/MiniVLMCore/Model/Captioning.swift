import Foundation

/// A finished caption.
public struct Caption: Sendable, Equatable {
    /// From [CLS] to [SEP], both included.
    public let tokenIDs: [Int]
    /// Mean log-probability of the predicted tokens, [SEP] included.
    public let score: Double
}

/// A caption being written by "prefill" and "step": the cache is handed in and comes back one token longer.
///
/// Shapes: L layers, H heads, d head width, C context rows, M caption slots, V vocabulary.
public final class CaptionSession {
    private let runtime: any ModelRuntime
    private let step: MethodSpec
    private let contextMask: HostTensor
    /// Keys and values, (L, 1, H, C, d) each.
    private let context: [any RuntimeTensor]
    /// Keys and values, (L, 1, H, M, d) each.
    private var cache: [any RuntimeTensor]
    private var position = 0

    /// Runs "prefill".
    public init(
        _ runtime: any ModelRuntime, prefill: MethodSpec, step: MethodSpec, layout: CaptionLayout,
        context: CaptionContext
    ) throws {
        self.runtime = runtime
        self.step = step
        contextMask = .float32(context.mask)
        self.context = try runtime.run(
            prefill, [HostTensor.int64(context.tagIDs), HostTensor.float32(context.regions), contextMask])
        let empty = self.context.map { keys in
            let shape = keys.shape[..<3] + [layout.captionLength, keys.shape[4]]
            return HostTensor.float32(NDArray(repeating: 0, shape: Array(shape)))
        }
        cache = empty
    }

    /// Extends the caption by a token, [CLS] in the first call.
    ///
    /// - Returns: (V) logits of the next token.
    public func advance(_ token: Int) throws -> [Float] {
        let own = [HostTensor.int64([token], shape: [1]), HostTensor.int64([position], shape: [1])]
        let outputs = try runtime.run(step, own + context + [contextMask] + cache)
        guard outputs.count == 3 else {
            throw UserError("the method step returned \(outputs.count) tensors, not 3: export the model again")
        }
        cache = Array(outputs[1...])
        position += 1
        return try outputs[0].floats()
    }

    /// Writes one caption by greedy search, which MiniVLM is evaluated with.
    ///
    /// - Parameters:
    ///   - maxLength: Most tokens, [CLS] and [SEP] included; at the limit [SEP] takes the last token's place, but not
    ///     its score, as in Oscar.
    ///   - told: Called with the tokens so far, from [CLS], whenever there is one more.
    public func greedy(
        special: SpecialTokens, maxLength: Int, told: ([Int]) -> Void = { _ in }
    ) throws -> Caption {
        var tokens = [special.cls]
        var total = 0.0
        while tokens.last != special.sep, tokens.count < maxLength {
            let logits = try advance(tokens[tokens.count - 1])
            let next = argmax(logits)
            total += logProbability(of: next, logits)
            tokens.append(next)
            told(tokens)
        }
        tokens[tokens.count - 1] = special.sep
        return Caption(tokenIDs: tokens, score: total / Double(tokens.count - 1))
    }
}

/// The place of the greatest value, the first of equals.
///
/// - Precondition: There is one.
func argmax(_ values: [Float]) -> Int {
    values.indices.dropFirst().reduce(0) { best, index in values[index] > values[best] ? index : best }
}

/// Logarithm of a token's softmax.
private func logProbability(of token: Int, _ logits: [Float]) -> Double {
    let greatest = Double(logits.max() ?? 0)
    let sum = logits.reduce(0.0) { $0 + exp(Double($1) - greatest) }
    return Double(logits[token]) - greatest - log(sum)
}

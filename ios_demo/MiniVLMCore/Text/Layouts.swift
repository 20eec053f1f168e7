/// How text, tags and regions become the transformer's inputs, equal to `minivlm/language/layout.py`.
///
/// Shapes: T text tokens, N regions, S = T + N, D the width of a region vector.

/// What is added to an attention score to hide a token.
let hiddenScore: Float = -10000

/// The arguments of a task head's method, in its order.
public struct TransformerInputs: Sendable, Equatable {
    /// (1, T).
    public let tokenIDs: NDArray<Int64>
    /// (1, T): 0 for text and padding, 1 for tags and their [SEP].
    public let tokenTypes: NDArray<Int64>
    /// (1, T).
    public let positions: NDArray<Int64>
    /// (1, N, D).
    public let regions: NDArray<Float>
    /// (1, 1, S), 0 or `hiddenScore`.
    public let mask: NDArray<Float>

    var tensors: [HostTensor] {
        [.int64(tokenIDs), .int64(tokenTypes), .int64(positions), .float32(regions), .float32(mask)]
    }
}

/// [CLS] text [SEP] tags [SEP] padding, then regions: the layout of every task but captioning.
public struct TextLayout: Sendable, Decodable {
    /// Tokens in all; at least 3.
    let textLength: Int
    /// Region rows.
    let regions: Int

    /// Of the head "vqa".
    public static let questions = TextLayout(textLength: 128, regions: 50)

    /// Lays out one example. What does not fit is cut from the end of the longer of the two, token by token, from the
    /// tags when both are equally long. Without tags there is no second [SEP]. Padding goes on counting positions.
    ///
    /// - Parameters:
    ///   - text: Token ids, without special tokens.
    ///   - tags: Token ids of the tag text.
    ///   - vectors: (M, D) region vectors, best first.
    ///   - valid: (M) false for rows that only fill.
    public func arrange(
        text: [Int], tags: [Int], vectors: NDArray<Float>, valid: [Bool], special: SpecialTokens
    ) -> TransformerInputs {
        let (text, tags) = cutPair(text, tags)
        let first = [special.cls] + text + [special.sep]
        let second = tags.isEmpty ? [] : tags + [special.sep]
        let used = first.count + second.count
        let padding = textLength - used
        let rows = fitRegions(vectors, valid, count: regions)
        return TransformerInputs(
            tokenIDs: row(first + second + Array(repeating: special.pad, count: padding)),
            tokenTypes: row(
                Array(repeating: 0, count: first.count) + Array(repeating: 1, count: second.count)
                    + Array(repeating: 0, count: padding)),
            positions: row(Array(0..<textLength)),
            regions: rows.vectors,
            mask: visibility(used: used, of: textLength, then: rows.valid))
    }

    private func cutPair(_ text: [Int], _ tags: [Int]) -> ([Int], [Int]) {
        var (text, tags) = (text, tags)
        while text.count + tags.count > textLength - 2 - (tags.isEmpty ? 0 : 1) {
            if text.count > tags.count {
                text.removeLast()
            } else {
                tags.removeLast()
            }
        }
        return (text, tags)
    }
}

/// What a caption is written about; it does not change while it is written.
public struct CaptionContext: Sendable, Equatable {
    /// (1, tag length).
    public let tagIDs: NDArray<Int64>
    /// (1, N, D).
    public let regions: NDArray<Float>
    /// (1, 1, tag length + N), 0 or `hiddenScore`.
    public let mask: NDArray<Float>
}

/// Caption, tags [SEP], regions, with a place of its own for each, so that the context can be computed once.
public struct CaptionLayout: Sendable, Decodable {
    /// Most tokens of a caption, [CLS] and [SEP] included; the number of cache slots.
    let captionLength: Int
    /// Token rows for the tags, their [SEP] included.
    let tagLength: Int
    /// Region rows.
    let regions: Int

    /// What "prefill" and "step" are exported with.
    public static let captioning = CaptionLayout(captionLength: 20, tagLength: 30, regions: 50)

    /// Lays out what a caption is about; parameters as in `TextLayout.arrange`. Tags that do not fit are cut.
    public func context(
        tags: [Int], vectors: NDArray<Float>, valid: [Bool], special: SpecialTokens
    ) -> CaptionContext {
        let cut = Array(tags.prefix(tagLength - 1))
        let used = cut.isEmpty ? [] : cut + [special.sep]
        let rows = fitRegions(vectors, valid, count: regions)
        return CaptionContext(
            tagIDs: row(used + Array(repeating: special.pad, count: tagLength - used.count)),
            regions: rows.vectors,
            mask: visibility(used: used.count, of: tagLength, then: rows.valid))
    }
}

private func row(_ values: [Int]) -> NDArray<Int64> {
    NDArray(values.map(Int64.init), shape: [1, values.count])
}

/// Keeps the first `count` regions or fills up with zeros: (1, count, D), and (count).
private func fitRegions(
    _ vectors: NDArray<Float>, _ valid: [Bool], count: Int
) -> (vectors: NDArray<Float>, valid: [Bool]) {
    let width = vectors.shape[1]
    let kept = min(vectors.shape[0], count)
    let values = vectors.values[..<(kept * width)] + Array(repeating: 0, count: (count - kept) * width)
    let flags = valid[..<kept] + Array(repeating: false, count: count - kept)
    return (NDArray(Array(values), shape: [1, count, width]), Array(flags))
}

/// The (1, 1, S) mask that shows the first `used` tokens and the valid regions.
private func visibility(used: Int, of textLength: Int, then regions: [Bool]) -> NDArray<Float> {
    let visible = (0..<textLength).map { $0 < used } + regions
    return NDArray(visible.map { $0 ? 0 : hiddenScore }, shape: [1, 1, visible.count])
}

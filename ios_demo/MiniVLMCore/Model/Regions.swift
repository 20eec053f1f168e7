/// The regions of a photo by falling score; all that texts about the photo are answered from.
public struct PhotoRegions: Sendable {
    /// (N) in pixels of the photo.
    public let boxes: [Box]
    /// (N) class probabilities; 0 marks a row that only fills the fixed number of rows.
    public let scores: [Float]
    /// (N) class ids.
    public let tags: [Int]
    /// (N, D + 6) rows for the transformer: features, then the box's geometry.
    public let vectors: NDArray<Float>

    /// (N) false for rows that only fill.
    public var valid: [Bool] { scores.map { $0 > 0 } }

    /// Classes of the valid rows, best first.
    public var validTags: [Int] {
        zip(tags, scores).filter { $0.1 > 0 }.map { $0.0 }
    }

    /// Puts together what the method "regions" returned: features (N, D), boxes (N, 4) in network pixels,
    /// geometry (N, 6), tags (N), scores (N).
    ///
    /// - Throws: `UserError` when these are not the tensors.
    public init(_ outputs: [any RuntimeTensor], in input: NetworkInput) throws {
        guard outputs.count == 5, let rows = outputs[0].shape.first else {
            throw UserError("the method regions returned \(outputs.count) tensors, not 5: export the model again")
        }
        boxes = input.toPhoto(NDArray(try outputs[1].floats(), shape: outputs[1].shape))
        tags = try outputs[3].integers().map(Int.init)
        scores = try outputs[4].floats()
        vectors = join(try outputs[0].floats(), try outputs[2].floats(), rows: rows)
    }
}

/// Puts each row of the second matrix behind that of the first.
private func join(_ first: [Float], _ second: [Float], rows: Int) -> NDArray<Float> {
    let (left, right) = (first.count / rows, second.count / rows)
    var values: [Float] = []
    values.reserveCapacity(first.count + second.count)
    for row in 0..<rows {
        values += first[row * left..<(row + 1) * left]
        values += second[row * right..<(row + 1) * right]
    }
    return NDArray(values, shape: [rows, left + right])
}

/// The regions of a photo by falling score; all that texts about the photo are answered from.
public struct PhotoRegions: Sendable {
    /// (N) in pixels of the photo.
    public let boxes: [Box]
    /// (N) class probabilities; 0 marks a row that only fills the fixed number of rows.
    public let scores: [Float]
    /// (N) class ids.
    public let tags: [Int]
    /// (N) ids, 0 for no attribute; nil where the artifact says nothing of attributes.
    public let attributes: [Int]?
    /// (N, D + 6) rows for the transformer: features, then the box's geometry.
    public let vectors: NDArray<Float>

    /// (N) false for rows that only fill.
    public var valid: [Bool] { scores.map { $0 > 0 } }

    /// Classes of the valid rows, best first.
    public var validTags: [Int] {
        zip(tags, scores).filter { $0.1 > 0 }.map { $0.0 }
    }

    /// Puts together what the method "regions" returned: "features" (N, D), "boxes" (N, 4) in network pixels,
    /// "geometry" (N, 6), "tags" (N), "scores" (N) and, of newer artifacts, "attributes" (N). More is left alone.
    ///
    /// - Throws: `UserError` when one of these is missing.
    public init(_ outputs: [any RuntimeTensor], of method: MethodSpec, in input: NetworkInput) throws {
        let named = Dictionary(zip(method.outputs.map(\.name), outputs)) { first, _ in first }
        func required(_ name: String) throws -> any RuntimeTensor {
            guard let output = named[name] else {
                throw UserError("the method \(method.name) has no output \(name): export the model again")
            }
            return output
        }
        let (features, places) = (try required("features"), try required("boxes"))
        boxes = input.toPhoto(NDArray(try places.floats(), shape: places.shape))
        tags = try required("tags").integers().map(Int.init)
        scores = try required("scores").floats()
        attributes = try named["attributes"]?.integers().map(Int.init)
        vectors = join(try features.floats(), try required("geometry").floats(), rows: scores.count)
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

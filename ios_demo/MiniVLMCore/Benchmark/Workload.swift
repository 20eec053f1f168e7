/// Tokens that a measured caption writes after [CLS], whatever they are: the work must not depend on the weights.
let measuredTokens = 19

/// What one run of an artifact is, ready to be called: the stages of `bench/measure/workloads.py`.
struct Workload {
    let stages: [Stage]
    /// Shape of each input by name.
    let inputs: [String: [Int]]
    /// Of the stage "steps"; nil for a part.
    let tokens: Int?

    /// From photo to a caption of fixed length, in the stages that a person waits for.
    static func caption(
        _ artifact: Artifact, words: Words, runtime: any ModelRuntime, photo: RGBImage
    ) throws -> Workload {
        guard let size = artifact.sidecar.imageSize else {
            throw UserError("\(artifact.name) takes no image: export the model again")
        }
        let (find, prefill, step) = (
            try artifact.method("regions"), try artifact.method("prefill"), try artifact.method("step")
        )
        func fit() -> NetworkInput {
            .letterbox(photo, height: size.height, width: size.width, pixels: .imagenet)
        }
        let input = fit()
        let regions = try PhotoRegions(try runtime.run(find, input.tensors), in: input)
        let special = words.tokenizer.special
        let context = CaptionLayout.captioning.context(
            tags: try words.tagIDs(regions.validTags), vectors: regions.vectors, valid: regions.valid, special: special)
        func begin() throws -> CaptionSession {
            try CaptionSession(runtime, prefill: prefill, step: step, layout: .captioning, context: context)
        }
        var session = try begin()
        return Workload(
            stages: [
                Stage(name: "preprocess") { _ = fit() },
                Stage(name: "regions") { _ = try runtime.run(find, input.tensors) },
                Stage(name: "prefill") { session = try begin() },
                Stage(name: "steps") {
                    var token = special.cls
                    for _ in 0..<measuredTokens {
                        token = argmax(try session.advance(token))
                    }
                },
            ],
            inputs: ["image": input.image.shape], tokens: measuredTokens)
    }

    /// One method on the inputs that the host sent.
    static func part(_ artifact: Artifact, runtime: any ModelRuntime, parity: ParityInputs) throws -> Workload {
        let method = try artifact.method("forward")
        let inputs = try parity.inputs(of: method.name)
        let tensors = inputs.map(\.tensor)
        return Workload(
            stages: [Stage(name: method.name) { _ = try runtime.run(method, tensors) }],
            inputs: Dictionary(uniqueKeysWithValues: inputs.map { ($0.name, $0.tensor.shape) }), tokens: nil)
    }
}

/// Tokens that a measured caption writes after [CLS], whatever they are: the work must not depend on the weights.
let measuredTokens = 19

/// What one run of an artifact is, ready to be called: the stages of `bench/measure/workloads.py`.
struct Workload {
    let stages: [Stage]
    /// Shape of each input by name.
    let inputs: [String: [Int]]
    /// Of the stage "steps"; nil for a part.
    let tokens: Int?

    /// From photo to a caption of fixed length, in the stages that a person waits for. Nothing runs in here.
    static func caption(
        _ artifact: Artifact, labels: Labels, runtime: any ModelRuntime, photo: RGBImage
    ) throws -> Workload {
        guard let size = artifact.sidecar.imageSize else {
            throw UserError("\(artifact.name) takes no image: export the model again")
        }
        let (find, prefill, step) = (
            try artifact.method("regions"), try artifact.method("prefill"), try artifact.method("step")
        )
        let special = labels.tokenizer.special
        // Each stage leaves what the next one takes, so that nothing runs before the first run.
        var input: NetworkInput!
        var regions: PhotoRegions!
        var session: CaptionSession!
        return Workload(
            stages: [
                Stage(name: "preprocess") {
                    input = .letterbox(photo, height: size.height, width: size.width, pixels: .imagenet)
                },
                Stage(name: "regions") {
                    regions = try PhotoRegions(try runtime.run(find, input.tensors), of: find, in: input)
                },
                Stage(name: "prefill") {
                    let context = CaptionLayout.captioning.context(
                        tags: try labels.tagIDs(regions.validTags), vectors: regions.vectors, valid: regions.valid,
                        special: special)
                    session = try CaptionSession(
                        runtime, prefill: prefill, step: step, layout: .captioning, context: context)
                },
                Stage(name: "steps") {
                    var token = special.cls
                    for _ in 0..<measuredTokens {
                        token = argmax(try session.advance(token))
                    }
                },
            ],
            inputs: ["image": [1, 3, size.height, size.width]], tokens: measuredTokens)
    }

    /// One method on the inputs that the host sent.
    static func part(
        _ artifact: Artifact, runtime: any ModelRuntime, verification: VerificationInputs
    ) throws -> Workload {
        let method = try artifact.method("forward")
        let inputs = try verification.inputs(of: method.name)
        let tensors = inputs.map(\.tensor)
        return Workload(
            stages: [Stage(name: method.name) { _ = try runtime.run(method, tensors) }],
            inputs: Dictionary(uniqueKeysWithValues: inputs.map { ($0.name, $0.tensor.shape) }), tokens: nil)
    }
}

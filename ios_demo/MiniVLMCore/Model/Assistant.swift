import Foundation

/// How long a named part of the work took.
public struct StageTime: Sendable, Equatable {
    public let name: String
    public let milliseconds: Double

    /// The method that a runtime runs in it; nil for what is Swift's own.
    public var method: String? {
        switch name {
        case "preprocess": nil
        case "steps": "step"
        default: name
        }
    }
}

/// What was asked for, and how long its stages took, in order.
public struct Timed<Result: Sendable>: Sendable {
    public let result: Result
    public let stages: [StageTime]
}

/// One of the fixed answers to a question.
public struct Answer: Sendable, Equatable {
    public let text: String
    /// Sigmoid of the logit; answers do not compete, so these do not add up to 1.
    public let probability: Double
}

/// A caption while it is being written.
public enum CaptionProgress: Sendable {
    /// The words that are finished.
    case words(String)
    case finished(Timed<String>)
}

/// All tasks over one artifact; it owns the runtime, which no two callers may use at once.
public actor Assistant {
    public nonisolated let artifact: Artifact
    public nonisolated let labels: Labels
    private let runtime: any ModelRuntime

    /// - Parameter runtime: Of this artifact; nobody else keeps it.
    /// - Throws: `UserError`: no whole model, or its labels are missing.
    public init(_ artifact: Artifact, runtime: sending any ModelRuntime) throws {
        guard artifact.sidecar.isWhole else {
            throw UserError("\(artifact.name) is a part of a model: choose a whole one, such as minivlm")
        }
        self.artifact = artifact
        labels = try Labels(folder: artifact.labelsFolder)
        self.runtime = runtime
    }

    /// Finds the regions of a photo, in the stages "preprocess" and "regions".
    public func look(at photo: RGBImage) throws -> Timed<PhotoRegions> {
        guard let size = artifact.sidecar.imageSize else {
            throw UserError("\(artifact.name) takes no image: export the model again")
        }
        var watch = Stopwatch()
        let input = NetworkInput.letterbox(photo, height: size.height, width: size.width, pixels: .imagenet)
        watch.lap("preprocess")
        let method = try artifact.method("regions")
        let outputs = try runtime.run(method, input.tensors)
        watch.lap("regions")
        return Timed(result: try PhotoRegions(outputs, of: method, in: input), stages: watch.laps)
    }

    /// Writes a sentence about a photo, and tells of every word when it is finished.
    ///
    /// - Returns: Ever more words, and at last the caption.
    public nonisolated func write(_ regions: PhotoRegions) -> AsyncThrowingStream<CaptionProgress, any Error> {
        AsyncThrowingStream { stream in
            Task {
                do {
                    stream.yield(.finished(try await caption(regions) { stream.yield(.words($0)) }))
                    stream.finish()
                } catch {
                    stream.finish(throwing: error)
                }
            }
        }
    }

    /// Writes a sentence about a photo, in the stages "prefill" and "steps".
    ///
    /// - Parameter told: Called with the finished words whenever there is one more.
    public func caption(_ regions: PhotoRegions, told: @Sendable (String) -> Void = { _ in }) throws -> Timed<String> {
        let context = try captionContext(regions)
        var watch = Stopwatch()
        let session = try session(about: context)
        watch.lap("prefill")
        let layout = CaptionLayout.captioning
        var shown = ""
        let caption = try session.greedy(special: labels.tokenizer.special, maxLength: layout.captionLength) { tokens in
            let text = labels.tokenizer.decodeWords(tokens)
            if text != shown { told(text) }
            shown = text
        }
        watch.lap("steps")
        return Timed(result: labels.tokenizer.decode(caption.tokenIDs), stages: watch.laps)
    }

    /// Answers a question about a photo with the best of the fixed answers, in the stage "vqa".
    ///
    /// - Throws: `UserError`: nothing asked, or a model without that head.
    public func answer(_ question: String, about regions: PhotoRegions, top: Int) throws -> Timed<[Answer]> {
        let method = try artifact.method("vqa")
        let ids = labels.tokenizer.encode(question)
        guard !ids.isEmpty else { throw UserError("the question is empty: write at least one word") }
        let inputs = TextLayout.questions.arrange(
            text: ids, tags: try labels.tagIDs(regions.validTags), vectors: regions.vectors, valid: regions.valid,
            special: labels.tokenizer.special)
        var watch = Stopwatch()
        let logits = try runtime.run(method, inputs.tensors).first?.floats() ?? []
        watch.lap("vqa")
        guard logits.count == labels.answers.count else {
            throw UserError(
                "\(logits.count) answers in the model and \(labels.answers.count) in answers.txt: copy both")
        }
        let best = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }.prefix(top)
        return Timed(
            result: best.map { Answer(text: labels.answers[$0], probability: 1 / (1 + exp(-Double(logits[$0])))) },
            stages: watch.laps)
    }

    private func captionContext(_ regions: PhotoRegions) throws -> CaptionContext {
        CaptionLayout.captioning.context(
            tags: try labels.tagIDs(regions.validTags), vectors: regions.vectors, valid: regions.valid,
            special: labels.tokenizer.special)
    }

    private func session(about context: CaptionContext) throws -> CaptionSession {
        try CaptionSession(
            runtime, prefill: try artifact.method("prefill"), step: try artifact.method("step"), layout: .captioning,
            context: context)
    }
}

/// Times stages that follow each other.
struct Stopwatch {
    private(set) var laps: [StageTime] = []
    private var start = ContinuousClock.now

    /// Ends the stage that began with the last lap, or with the watch.
    mutating func lap(_ name: String) {
        let now = ContinuousClock.now
        laps.append(StageTime(name: name, milliseconds: start.duration(to: now).milliseconds))
        start = now
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }

    var milliseconds: Double { seconds * 1e3 }
}

extension NetworkInput {
    /// The arguments of the method "regions".
    var tensors: [HostTensor] { [.float32(image), .float32(extent)] }
}

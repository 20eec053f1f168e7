import Foundation
import MiniVLMCore
import Observation

/// What the screen shows, and the one place that changes it.
@MainActor
@Observable
final class PhotoModel {
    /// A region to draw.
    struct Region: Identifiable {
        let id: Int
        let box: Box
        let tag: String
        let score: Float
    }

    private(set) var models: [URL] = []
    private(set) var chosen: URL?
    private(set) var photo: RGBImage?
    private(set) var regions: [Region] = []
    private(set) var caption: String?
    private(set) var weights: String?
    private(set) var answers: [Answer] = []
    private(set) var stages: [StageTime] = []
    private(set) var isBusy = false
    private(set) var message: String?

    private var assistant: Assistant?
    private var found: PhotoRegions?
    /// Boxes that a small screen has room for.
    private static let shownRegions = 10
    private static let shownAnswers = 3

    /// Looks for models and opens the first whole one.
    func start() async {
        await attempt {
            models = try Artifact.all(in: BenchmarkFiles.own.models)
            let whole = models.first { (try? Artifact($0))?.sidecar.isWhole == true }
            try await open(whole ?? models[0])
        }
    }

    func choose(_ model: URL) async {
        await attempt {
            try await open(model)
            if let photo { try await look(at: photo) }
        }
    }

    func show(_ data: Data) async {
        await attempt {
            try await look(at: try await decode(data))
        }
    }

    func ask(_ question: String) async {
        await attempt {
            guard let assistant, let found else { throw UserError("choose a photo first") }
            let answered = try await assistant.answer(question, about: found, top: Self.shownAnswers)
            answers = answered.result
            note(answered.stages)
        }
    }

    func report(_ error: any Error) {
        message = (error as? UserError)?.message ?? error.localizedDescription
    }

    private func open(_ model: URL) async throws {
        assistant = nil
        chosen = model
        let opened = try await openAssistant(model)
        assistant = opened
        weights = opened.artifact.sidecar.weights.description
    }

    private func look(at photo: RGBImage) async throws {
        guard let assistant else { throw UserError("choose a model first") }
        (self.photo, regions, caption, answers, stages, found) = (photo, [], nil, [], [], nil)
        let seen = try await assistant.look(at: photo)
        found = seen.result
        note(seen.stages)
        let words = assistant.words
        regions = try seen.result.scores.indices.filter { seen.result.valid[$0] }.prefix(Self.shownRegions).map {
            Region(
                id: $0, box: seen.result.boxes[$0], tag: try words.tagName(seen.result.tags[$0]),
                score: seen.result.scores[$0])
        }
        let written = try await assistant.caption(seen.result)
        caption = written.result
        note(written.stages)
    }

    /// Keeps the latest time of every stage.
    private func note(_ times: [StageTime]) {
        stages.removeAll { old in times.contains { $0.name == old.name } }
        stages += times
    }

    /// Runs one action at a time and shows what went wrong.
    private func attempt(_ action: () async throws -> Void) async {
        guard !isBusy else { return }
        (isBusy, message) = (true, nil)
        defer { isBusy = false }
        do {
            try await action()
        } catch {
            report(error)
        }
    }
}

/// Away from the main thread: a model takes seconds to load.
private nonisolated func openAssistant(_ model: URL) async throws -> Assistant {
    let artifact = try Artifact(model)
    return try Assistant(artifact, runtime: try await openRuntime(artifact, computeUnits: .all))
}

/// Away from the main thread: a large photo takes a while to read.
private nonisolated func decode(_ data: Data) async throws -> RGBImage {
    try PhotoDecoder.decode(data, name: "the photo")
}

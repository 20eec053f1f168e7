import Foundation
import MiniVLMCore
import Observation
import UIKit

/// Runs the model and the benchmark, and tells the screen what happened.
@MainActor
@Observable
final class PhotoModel {
    private(set) var screen = Screen()
    private(set) var measurements: [MeasuredRecord] = []
    /// One line for each file of records that holds something else, too.
    private(set) var unread: [String] = []

    private var assistant: Assistant?
    private var found: PhotoRegions?
    /// The photo's file as it was chosen.
    private var file: Data?
    private var measuring: Task<Void, Never>?
    private static let shownAnswers = 3

    /// Looks for models and opens the first whole one.
    func start() async {
        listMeasurements()
        await attempt {
            let (choices, faults) = ModelChoice.among(try Artifact.all(in: BenchmarkFiles.own.models))
            screen.found(choices, faults: faults)
            guard let first = choices.first else {
                throw UserError("no whole model is here: copy one over, such as minivlm")
            }
            try await open(first, on: nil)
        }
    }

    func choose(_ model: ModelChoice) async {
        guard screen.offers(.chooseModel) else { return }
        await attempt { try await reopen(model, on: screen.accelerator) }
    }

    func choose(_ accelerator: Accelerator) async {
        guard screen.offers(.chooseModel), let model = screen.model else { return }
        await attempt { try await reopen(model, on: accelerator) }
    }

    /// - Parameter load: Gets the bytes of the photo's file; nil when they are not on the phone.
    func show(_ load: () async throws -> Data?) async {
        guard screen.offers(.choosePhoto) else { return }
        await attempt {
            screen.read()
            guard let data = try await load() else {
                throw UserError("this photo is not on the phone: open it in Photos once, then choose it again")
            }
            file = data
            try await look(at: try await decode(data))
        }
    }

    func ask(_ question: String) async {
        guard screen.offers(.ask), let assistant, let found else { return }
        await attempt {
            screen.ask()
            screen.answered(try await assistant.answer(question, about: found, top: Self.shownAnswers))
        }
    }

    func tap(x: Float, y: Float) { screen.tap(x: x, y: y) }

    func choose(region id: Int) { screen.choose(region: id) }

    /// Measures what is chosen, on the photo that is shown.
    func measure(minutes: Int) async {
        guard screen.offers(.measure), let model = screen.model, let accelerator = screen.accelerator, let file else {
            return
        }
        screen.measure()
        assistant = nil  // its memory is needed
        UIApplication.shared.isIdleTimerDisabled = true  // Auto-Lock would stop everything
        let asked = ScreenBenchmark(artifact: model.artifact, accelerator: accelerator, minutes: minutes)
        let running = Task {
            await perform(asked, on: file) { step in
                Task { @MainActor in self.screen.measures(step) }
            }
        }
        measuring = running
        await running.value
        measuring = nil
        UIApplication.shared.isIdleTimerDisabled = false
        listMeasurements()
        await attempt {
            try await reopen(model, on: accelerator)
            if let failure = BenchmarkFiles.own.failure() { throw UserError(failure) }
        }
    }

    func stop() { measuring?.cancel() }

    private func listMeasurements() {
        (measurements, unread) = MeasuredRecord.all(in: BenchmarkFiles.own.results)
    }

    private func open(_ model: ModelChoice, on chosen: Accelerator?) async throws {
        assistant = nil
        screen.open(model)
        let artifact = try Artifact(BenchmarkFiles.own.models.appendingPathComponent(model.artifact))
        let accelerator = try Accelerator.fitting(artifact, wanted: chosen)
        screen.run(on: accelerator, of: Accelerator.choices(for: artifact.sidecar))
        let wanted = Attempt(artifact, on: accelerator)
        let opened = try await openWithFallback(wanted, instead: wanted.instead(among: others())) {
            try await openAssistant($0.artifact, on: $0.accelerator)
        }
        assistant = opened.value
        let (used, runs) = (opened.attempt.artifact, opened.attempt.accelerator)
        if let notice = opened.notice {
            screen.fallBack(to: screen.models.first { $0.artifact == used.name }, notice)
            screen.run(on: runs, of: Accelerator.choices(for: used.sidecar))
        }
        screen.placed(await placements(used, computeUnits: runs.computeUnits))
        screen.opened(used)
    }

    /// The models that can be read.
    private func others() -> [Artifact] {
        screen.models.compactMap { try? Artifact(BenchmarkFiles.own.models.appendingPathComponent($0.artifact)) }
    }

    /// Opens a model and shows it the photo that is there.
    private func reopen(_ model: ModelChoice, on wanted: Accelerator?) async throws {
        try await open(model, on: wanted)
        if let photo = screen.photo { try await look(at: photo) }
    }

    private func look(at photo: RGBImage) async throws {
        guard let assistant else { throw UserError("choose a model first") }
        screen.look(at: photo)
        let seen = try await assistant.look(at: photo)
        found = seen.result
        screen.saw(try ShownRegion.best(of: seen.result, labels: assistant.labels), in: seen.stages)
        for try await progress in assistant.write(seen.result) {
            screen.wrote(progress)
        }
        UIAccessibility.post(notification: .announcement, argument: screen.caption)
    }

    /// Does something and shows what went wrong.
    private func attempt(_ action: () async throws -> Void) async {
        do {
            try await action()
        } catch {
            screen.failed(error)
        }
    }
}

/// Away from the main thread: a model takes seconds to load.
private nonisolated func openAssistant(_ artifact: Artifact, on accelerator: Accelerator) async throws -> Assistant {
    try Assistant(artifact, runtime: try await openRuntime(artifact, computeUnits: accelerator.computeUnits))
}

/// Away from the main thread: a large photo takes a while to read.
private nonisolated func decode(_ data: Data) async throws -> RGBImage {
    try PhotoDecoder.decode(data, name: "the photo")
}

/// Away from the main thread: it takes minutes. What went wrong is in the record.
private nonisolated func perform(
    _ asked: ScreenBenchmark, on photo: Data, told: @escaping @Sendable (String) -> Void
) async {
    let files = BenchmarkFiles.own
    defer { files.takeBackPhoto() }
    try? files.lend(photo: photo)  // without it the benchmark says what is missing
    let run = Date().formatted(.iso8601)
    _ = await Benchmark(files: files, platform: PhonePlatform(), told: told).perform(
        arguments: asked.arguments(run: run))
}

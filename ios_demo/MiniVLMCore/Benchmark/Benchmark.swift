import Foundation

/// One launch in benchmark mode: reads the arguments, measures, and leaves what docs/phones-ios.md promises.
public struct Benchmark: Sendable {
    private let files: BenchmarkFiles
    private let platform: any BenchmarkPlatform
    private let told: @Sendable (String) -> Void

    /// - Parameter told: Called with every step, as `status.json` names them.
    public init(
        files: BenchmarkFiles, platform: any BenchmarkPlatform, told: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.files = files
        self.platform = platform
        self.told = told
    }

    /// Does everything there is to do; never throws, because nobody is there to catch.
    ///
    /// - Returns: The exit code: 0 after a record, 2 otherwise.
    public func perform(arguments: [String]) async -> Int32 {
        let request: BenchmarkRequest
        do {
            request = try BenchmarkRequest(arguments: arguments)
        } catch {
            report(Launch(arguments: arguments), .failed, .starting, message: describe(error))
            return 2
        }
        let progress = Progress()
        do {
            try await perform(request, progress)
            report(Launch(request), .finished, .writing)
            return 0
        } catch {
            report(Launch(request), .failed, progress.step, message: describe(error))
            return 2
        }
    }

    private func perform(_ request: BenchmarkRequest, _ progress: Progress) async throws {
        func enter(_ step: BenchmarkStatus.Step) {
            progress.step = step
            report(Launch(request), .running, step)
            told(step.rawValue)
        }
        enter(.starting)
        let given = try Given(request, files: files, platform: platform)
        enter(.coolingDown)
        _ = platform.lostForeground()  // what was before does not count
        let before = await cool(atMost: request.coolDown)
        var record = try await given.record(before: before, platform: platform)
        do {
            let session = try await measure(request, given, into: &record, enter)
            record.settle(before: before.state, platform)
            if request.verify {
                enter(.verifying)
                try session.verify()
            }
        } catch {
            record.fail(describe(error))
            try files.append(record, to: request.output)
            throw error
        }
        enter(.writing)
        try files.append(record, to: request.output)
    }

    /// Loads the model and fills in what was measured.
    private func measure(
        _ request: BenchmarkRequest, _ given: Given, into record: inout Record,
        _ enter: (BenchmarkStatus.Step) -> Void
    ) async throws -> Session {
        enter(.loading)
        let memory = MemoryWatch(platform)
        let start = ContinuousClock.now
        let runtime = try await platform.open(given.artifact, computeUnits: given.units)
        let session = Session(given: given, runtime: runtime, files: files, platform: platform)
        record.loadMs = start.duration(to: .now).milliseconds
        record.threads = runtime.threads
        let workload = try session.workload()
        let clock = { start.duration(to: .now).seconds }
        let timer = StageTimer(stages: workload.stages, clock: clock, alive: { _ in memory.look() })
        enter(.warmingUp)
        record.firstMs = try timer.once().reduce(0, +)
        _ = try timer.repeat(until: request.warmup)
        enter(.measuring)
        let heat = ThermalHistory(platform)
        let steady = StageTimer(stages: workload.stages, clock: clock) { seconds in
            memory.look()
            if request.sustained { heat.look(seconds) }
        }
        if request.sustained { heat.look(0) }
        let timings = try steady.repeat(until: request.steady)
        record.samples = timings.samples
        if request.sustained {
            record.sustained = timings.bySecond
            record.environment["thermal_states"] = heat.json
        }
        record.tokens = workload.tokens
        record.memory = memory.metrics
        record.inputs = workload.inputs
        if given.units != .cpu {
            let placements = await platform.placements(given.artifact, computeUnits: given.units)
            record.environment["units"] = .object(placements.mapValues(\.json))
        }
        return session
    }

    /// Waits for thermal state nominal.
    private func cool(atMost limit: Double) async -> Cooling {
        var waited = 0.0
        while platform.thermalState() != .nominal, waited < limit {
            await platform.sleep(seconds: 1)
            waited += 1
        }
        return Cooling(state: platform.thermalState(), seconds: waited)
    }

    private func report(
        _ launch: Launch, _ state: BenchmarkStatus.State, _ step: BenchmarkStatus.Step, message: String? = nil
    ) {
        let status = BenchmarkStatus(
            run: launch.run, round: launch.round, artifact: launch.artifact, state: state, step: step,
            message: message, time: timestamp())
        guard let data = try? JSONCoding.encoder.encode(status) else { return }
        try? FileManager.default.createDirectory(at: files.results, withIntermediateDirectories: true)
        try? data.write(to: files.results.appendingPathComponent("status.json"), options: .atomic)
        platform.say("MINIVLM \(String(decoding: data, as: UTF8.self))")
    }
}

/// Which launch a status is about.
private struct Launch {
    let run: String
    let round: Int
    let artifact: String

    init(_ request: BenchmarkRequest) {
        (run, round, artifact) = (request.run, request.round, request.artifact)
    }

    /// Of arguments with a mistake in them: what can be found, so that the host knows whose mistake it is.
    init(arguments: [String]) {
        func value(_ name: String) -> String {
            arguments.firstIndex(of: name).map { $0 + 1 }.flatMap {
                arguments.indices.contains($0) ? arguments[$0] : nil
            } ?? ""
        }
        (run, round, artifact) = (value("--run"), Int(value("--round")) ?? 0, value("--artifact"))
    }
}

/// Where a launch is; kept outside of the function that may fail.
private final class Progress {
    var step = BenchmarkStatus.Step.starting
}

/// How the wait for a cool device ended.
private struct Cooling {
    let state: ThermalState
    let seconds: Double
}

/// What the host copied over for one launch, checked before anything is measured.
private struct Given {
    let request: BenchmarkRequest
    let artifact: Artifact
    /// nil for a part.
    let labels: Labels?
    /// nil for a part.
    let photo: RGBImage?
    /// "name", and "sha256" where the photo is on the device.
    let photoFacts: [String: String]
    /// nil where nothing needs it.
    let verification: VerificationInputs?
    let file: Record.ArtifactFile
    /// What it runs on.
    let units: BenchmarkRequest.ComputeUnits

    init(_ request: BenchmarkRequest, files: BenchmarkFiles, platform: any BenchmarkPlatform) throws {
        self.request = request
        artifact = try Artifact(files.models.appendingPathComponent(request.artifact))
        let sidecar = artifact.sidecar
        labels = sidecar.isWhole ? try Labels(folder: artifact.labelsFolder) : nil
        if sidecar.isWhole, request.photo == nil {
            throw UserError("\(request.artifact) is a whole model: give --photo")
        }
        let photoFile = request.photo.map { files.inputs.appendingPathComponent($0) }
        photo = sidecar.isWhole ? try photoFile.map(platform.photo) : nil
        photoFacts = ["name": request.photo ?? sidecar.photo]
            .merging(try photoFile.map { ["sha256": try platform.sha256(of: $0)] } ?? [:]) { first, _ in first }
        let needsVerification = request.verify || !sidecar.isWhole
        verification =
            needsVerification
            ? try VerificationInputs(
                folder: files.inputs.appendingPathComponent(artifact.stem), sha256: platform.sha256(of:))
            : nil
        file = try artifact.checked(platform)
        units = try Accelerator.measured(artifact, with: request.computeUnits).computeUnits
    }

    /// What is known before anything runs.
    func record(before: Cooling, platform: any BenchmarkPlatform) async throws -> Record {
        let sidecar = artifact.sidecar
        var environment = await platform.environment()
        environment["thermal_before"] = .text(before.state.rawValue)
        environment["cooled_seconds"] = .number(before.seconds)
        environment["low_power"] = .bool(platform.lowPower())
        var record = Record(
            run: request.run, round: request.round, status: .ok, model: sidecar.model, runtime: sidecar.runtime,
            precision: sidecar.precision, threadsAsked: request.threads, artifact: file, inputs: [:],
            photo: photoFacts, weights: sidecar.weights.description, environment: environment,
            profile: request.profile, time: timestamp())
        record.accelerator = units == .cpu && sidecar.runtime != "coreml" ? nil : units.rawValue
        return record
    }
}

/// A loaded model with what it is measured and verified on.
private struct Session {
    let given: Given
    let runtime: any ModelRuntime
    let files: BenchmarkFiles
    let platform: any BenchmarkPlatform

    func workload() throws -> Workload {
        if let labels = given.labels, let photo = given.photo {
            return try .caption(given.artifact, labels: labels, runtime: runtime, photo: photo)
        }
        guard let verification = given.verification else { throw UserError("\(given.artifact.name) has no inputs") }
        return try .part(given.artifact, runtime: runtime, verification: verification)
    }

    /// Runs every method on the host's inputs and leaves the outputs for the host to judge.
    func verify() throws {
        guard let verification = given.verification else { return }
        let folder = files.results.appendingPathComponent(given.artifact.stem)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var outputs = VerificationOutputs(artifact: given.file)
        for (name, inputs) in verification.methods {
            let method = try given.artifact.method(name)
            try outputs.add(
                method, try runtime.run(method, inputs.map(\.tensor)), in: folder, sha256: platform.sha256(of:))
        }
        try outputs.write(in: folder)
    }
}

extension Artifact {
    /// Holds the artifact against its sidecar.
    ///
    /// - Throws: `UserError` when the sidecar describes other bytes.
    fileprivate func checked(_ platform: any BenchmarkPlatform) throws -> Record.ArtifactFile {
        guard try platform.sha256(ofArtifact: file) == sidecar.sha256 else {
            throw UserError("\(stem).json describes other bytes than \(name) holds: copy both over again")
        }
        return Record.ArtifactFile(name: name, bytes: sidecar.bytes, sha256: sidecar.sha256)
    }
}

extension Record {
    /// Notes what interfered with the measurement.
    fileprivate mutating func settle(before: ThermalState, _ platform: any BenchmarkPlatform) {
        let after = platform.thermalState()
        environment["thermal_after"] = .text(after.rawValue)
        if before != .nominal { disturbed.append("thermal state \(before.rawValue) before the first run") }
        if after != .nominal { disturbed.append("thermal state \(after.rawValue) after the last run") }
        if platform.lostForeground() { disturbed.append("the app left the foreground while it ran") }
        if platform.lowPower() { disturbed.append("low power mode") }
    }

    /// Turns this into the record of a failure: no metric of it counts.
    fileprivate mutating func fail(_ reason: String) {
        status = .failed
        error = Failure(reason: reason)
        (samples, sustained) = ([:], nil)
    }
}

/// Now, in UTC.
private func timestamp() -> String {
    Date().formatted(.iso8601)
}

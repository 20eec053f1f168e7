import Foundation
import XCTest

@testable import MiniVLMCore

/// What runs where, what is said about it, and what happens when an accelerator cannot be set up.
final class FallbackTests: XCTestCase {
    private var toy: Toy!

    override func setUpWithError() throws {
        toy = try Toy(documents: try temporaryFolder())
    }

    /// The toy's file and sidecar again, as another export would have made them.
    private func artifact(
        _ name: String, runtime: String, delegate: String? = nil, precision: String = "fp32", model: String = "toy"
    ) throws -> Artifact {
        let models = toy.files.models
        let sidecar = try Data(contentsOf: models.appendingPathComponent("toy-executorch-fp32.json"))
        var fields = try XCTUnwrap(JSONSerialization.jsonObject(with: sidecar) as? [String: Any])
        fields["runtime"] = runtime
        fields["delegate"] = delegate
        fields["precision"] = precision
        fields["model"] = model
        let file = models.appendingPathComponent(name)
        try Data(Toy.whole.utf8).write(to: file)
        try JSONSerialization.data(withJSONObject: fields).write(
            to: file.deletingPathExtension().appendingPathExtension("json"))
        return try Artifact(file)
    }

    private func named(_ id: String) throws -> Accelerator {
        try XCTUnwrap(Accelerator.all.first { $0.id == id })
    }

    private func names(_ attempts: [Attempt]) -> [String] {
        attempts.map { "\($0.artifact.name) on \($0.accelerator.id)" }
    }

    func testAnExportDecidesWhatAProgramRunsOn() throws {
        let plain = try artifact("a.pte", runtime: "executorch", delegate: "xnnpack")
        XCTAssertEqual(Accelerator.choices(for: plain.sidecar).map(\.id), ["xnnpack"])
        let lowered = try artifact("b.pte", runtime: "executorch", delegate: "coreml")
        XCTAssertEqual(Accelerator.choices(for: lowered.sidecar).map(\.id), ["executorch-coreml"])
        let vulkan = try artifact("c.pte", runtime: "executorch", delegate: "vulkan")
        assertUserError(
            "c.pte is for the runtime executorch-vulkan, which this app does not have: export it for executorch or coreml"
        ) { try Accelerator.fitting(vulkan, wanted: nil) }
    }

    func testACoreMLPackageFallsBackToItselfOnTheCPU() throws {
        let package = try artifact("toy-coreml-fp16.mlpackage", runtime: "coreml", precision: "fp16")
        let wanted = Attempt(package, on: try named("coreml-ane"))
        XCTAssertEqual(names(wanted.instead(among: [package])), ["toy-coreml-fp16.mlpackage on coreml-cpu"])
        XCTAssertEqual(names(Attempt(package, on: try named("coreml-cpu")).instead(among: [package])), [])
    }

    func testAProgramForCoreMLFallsBackToOneOfTheSameModel() throws {
        let lowered = try artifact("a.pte", runtime: "executorch", delegate: "coreml")
        let half = try artifact("b.pte", runtime: "executorch", precision: "fp16")
        let plain = try artifact("c.pte", runtime: "executorch")
        let other = try artifact("d.pte", runtime: "executorch", model: "another")
        let wanted = Attempt(lowered, on: try named("executorch-coreml"))
        XCTAssertEqual(
            names(wanted.instead(among: [lowered, half, plain, other])), ["c.pte on xnnpack", "b.pte on xnnpack"],
            "the same precision first")
    }

    func testTheFirstThatOpensIsTakenAndTheReasonIsTold() async throws {
        let package = try artifact("toy.mlpackage", runtime: "coreml")
        let wanted = Attempt(package, on: try named("coreml-ane"))
        let opened = try await openWithFallback(wanted, instead: wanted.instead(among: [package])) { attempt in
            if attempt.accelerator.computeUnits != .cpu { throw UserError("no Neural Engine here") }
            return attempt.accelerator.id
        }
        XCTAssertEqual(opened.value, "coreml-cpu")
        XCTAssertEqual(
            opened.notice,
            "CPU and Neural Engine cannot be set up: no Neural Engine here. CPU (Core ML) runs toy.mlpackage instead.")
    }

    func testWhatOpensIsNotReplacedAndWithoutAnythingElseTheFirstReasonIsTold() async throws {
        let package = try artifact("toy.mlpackage", runtime: "coreml")
        let wanted = Attempt(package, on: try named("coreml-all"))
        let instead = wanted.instead(among: [package])
        let opened = try await openWithFallback(wanted, instead: instead) { $0.accelerator.id }
        XCTAssertEqual(opened.value, "coreml-all")
        XCTAssertNil(opened.notice)
        do {
            _ = try await openWithFallback(wanted, instead: instead) { attempt -> String in
                throw UserError("\(attempt.accelerator.id) is broken")
            }
            XCTFail("no error")
        } catch {
            XCTAssertEqual(error as? UserError, UserError("coreml-all is broken"))
        }
    }

    func testTheNoticeStaysUntilAnotherChoice() throws {
        var screen = Screen()
        let choice = ModelChoice(artifact: Toy.whole, title: "toy, executorch, fp32")
        let artifact = try artifact("a.pte", runtime: "executorch")
        screen.open(ModelChoice(artifact: "b.pte", title: "toy, executorch-coreml, fp32"))
        screen.fallBack(to: choice, "Core ML cannot be set up")
        screen.opened(artifact)
        screen.look(at: try RGBImage(width: 4, height: 2, levels: Array(0..<24)))
        XCTAssertEqual(screen.notice, "Core ML cannot be set up")
        XCTAssertEqual(screen.model, choice)
        screen.open(choice)
        XCTAssertNil(screen.notice)
    }

    // MARK: What ran where

    func testAPlacementNamesTheUnitWithMostOperationsFirst() {
        XCTAssertEqual(Placement([.cpu, .ne, .ne]).text, "Neural Engine and CPU")
        XCTAssertEqual(Placement([.cpu, .ne, .cpu]).text, "CPU and Neural Engine")
        XCTAssertEqual(Placement([.gpu]).text, "GPU")
        XCTAssertNil(Placement([]).text)
    }

    func testEveryStageSaysWhatRanIt() throws {
        var screen = Screen()
        screen.placed(["regions": Placement([.ne, .ne, .cpu]), "step": Placement([.gpu])])
        let ran = { (name: String) in screen.ranOn(StageTime(name: name, milliseconds: 1)) }
        XCTAssertEqual(ran("preprocess"), "CPU", "Swift's own")
        XCTAssertEqual(ran("regions"), "Neural Engine and CPU")
        XCTAssertEqual(ran("steps"), "GPU")
        XCTAssertNil(ran("prefill"), "nobody tells")
    }

    func testXNNPACKNeedsNotBeAsked() throws {
        let plain = try artifact("a.pte", runtime: "executorch", delegate: "xnnpack").sidecar
        XCTAssertEqual(plain.knownPlacements?["regions"], Placement([.cpu]))
        XCTAssertNil(try artifact("b.pte", runtime: "executorch", delegate: "coreml").sidecar.knownPlacements)
        XCTAssertNil(try artifact("c.mlpackage", runtime: "coreml").sidecar.knownPlacements)
    }

    // MARK: Measurements

    private func measure(_ artifact: Artifact, _ units: String) async throws -> Record {
        toy.device.placed = ["regions": Placement([.ne, .cpu, .ne])]
        let arguments = [
            "--benchmark", "--artifact", artifact.name, "--photo", "china.jpg", "--run", "R1", "--profile", "quick",
            "--warmup-runs", "1", "--warmup-seconds", "0", "--runs", "1", "--seconds", "0", "--compute-units", units,
        ]
        _ = await Benchmark(files: toy.files, platform: toy.device).perform(arguments: arguments)
        return try XCTUnwrap(MeasuredRecord.all(in: toy.files.results).measurements.first).record
    }

    private func labelled(_ artifact: Artifact) throws -> Artifact {
        let labels = toy.files.models.appendingPathComponent("toy-executorch-fp32-words")
        try FileManager.default.copyItem(at: labels, to: artifact.labelsFolder)
        return artifact
    }

    func testARecordNamesTheUnitsAndWhereTheOperationsAre() async throws {
        let record = try await measure(labelled(try artifact("toy.mlpackage", runtime: "coreml")), "cpu-and-ne")
        XCTAssertEqual(record.accelerator, "cpu-and-ne")
        XCTAssertEqual(toy.device.units, [.cpuANE])
        XCTAssertEqual(
            record.environment["units"], .object(["regions": .object(["ne": .int(2), "cpu": .int(1)])]))
        XCTAssertEqual(MeasuredRecord(id: 0, record: record).title, "toy, coreml, fp32, cpu-and-ne")
    }

    func testXNNPACKsRecordNamesNoneAndCoreMLsNamesTheCPU() async throws {
        let package = try await measure(labelled(try artifact("toy.mlpackage", runtime: "coreml")), "cpu")
        XCTAssertEqual(package.accelerator, "cpu")
        XCTAssertNil(package.environment["units"])
        let program = try await measure(try Artifact(toy.files.models.appendingPathComponent(Toy.whole)), "all")
        XCTAssertNil(program.accelerator, "XNNPACK has no choice")
        XCTAssertEqual(toy.device.units, [.cpu, .cpu])
    }

    func testAProgramForCoreMLUsesTheUnitsOfItsExport() async throws {
        let lowered = try artifact("toy-b.pte", runtime: "executorch", delegate: "coreml")
        let record = try await measure(labelled(lowered), "cpu-and-gpu")
        XCTAssertEqual(record.accelerator, "all")
        XCTAssertEqual(toy.device.units, [.all])
    }

    func testAMeasurementNeverFallsBack() async throws {
        toy.device.broken = UserError("no Neural Engine here")
        let record = try await measure(labelled(try artifact("toy.mlpackage", runtime: "coreml")), "cpu-and-ne")
        XCTAssertEqual(record.status, .failed)
        XCTAssertEqual(record.accelerator, "cpu-and-ne")
        XCTAssertEqual(toy.device.units, [.cpuANE])
    }
}

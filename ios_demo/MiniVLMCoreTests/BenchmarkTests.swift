import Foundation
import XCTest

@testable import MiniVLMCore

/// What one launch leaves behind, as docs/phones-ios.md promises.
final class BenchmarkTests: XCTestCase {
    private var toy: Toy!

    override func setUpWithError() throws {
        toy = try Toy(documents: try temporaryFolder())
    }

    private func launch(_ artifact: String = Toy.whole, _ more: String...) async -> Int32 {
        let arguments = [
            "--benchmark", "--artifact", artifact, "--run", "R1", "--round", "1", "--profile", "quick",
            "--warmup-runs", "1", "--warmup-seconds", "0", "--runs", "3", "--seconds", "0", "--threads", "4",
        ]
        return await Benchmark(files: toy.files, platform: toy.device).perform(arguments: arguments + more)
    }

    private func records() throws -> [Record] {
        let file = toy.files.results.appendingPathComponent("records.jsonl")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        return try lines.map { try JSONCoding.decoder.decode(Record.self, from: Data($0.utf8)) }
    }

    private func status() throws -> BenchmarkStatus {
        let file = toy.files.results.appendingPathComponent("status.json")
        return try JSONCoding.decoder.decode(BenchmarkStatus.self, from: try Data(contentsOf: file))
    }

    private func assertFailed(_ message: String, line: UInt = #line) throws {
        XCTAssertEqual(try status().state, .failed, line: line)
        XCTAssertEqual(try status().message, message, line: line)
    }

    // MARK: A good launch

    func testAWholeModelIsMeasuredInTheStagesAPersonWaitsFor() async throws {
        let code = await launch(Toy.whole, "--photo", "china.jpg")
        XCTAssertEqual(code, 0)
        let record = try XCTUnwrap(records().first)
        XCTAssertEqual(Set(record.samples.keys), ["preprocess", "regions", "prefill", "steps"])
        XCTAssertTrue(record.samples.values.allSatisfy { $0.count == 3 && $0.allSatisfy { $0 >= 0 } })
        XCTAssertEqual(record.tokens, 19)
        XCTAssertEqual(record.inputs, ["image": [1, 3, 32, 32]])
        XCTAssertEqual(record.photo["name"], "china.jpg")
        XCTAssertNotNil(record.photo["sha256"])
    }

    func testTheRecordSaysWhatWasMeasuredOnWhat() async throws {
        _ = await launch(Toy.whole, "--photo", "china.jpg")
        let record = try XCTUnwrap(records().first)
        XCTAssertEqual([record.run, record.model, record.runtime], ["R1", "toy", "executorch"])
        XCTAssertEqual([record.precision, record.profile, record.device], ["fp32", "quick", "ios"])
        XCTAssertEqual(record.round, 1)
        XCTAssertEqual(record.threadsAsked, 4)
        XCTAssertEqual(record.threads, 6)
        XCTAssertEqual(record.weights, "random (seed 0)")
        XCTAssertEqual(record.artifact.name, Toy.whole)
        XCTAssertEqual(record.environment["phone"], .text("iPhone0,0"))
        XCTAssertEqual(record.environment["thermal_before"], .text("nominal"))
        XCTAssertEqual(record.environment["thermal_after"], .text("nominal"))
        XCTAssertEqual(record.disturbed, [])
    }

    /// 1 first run, 1 of warm-up and 3 that count, each with 19 steps.
    func testNothingRunsBeforeTheFirstRunThatIsTimed() async throws {
        _ = await launch(Toy.whole, "--photo", "china.jpg")
        let run = ["regions", "prefill"] + Array(repeating: "step", count: 19)
        XCTAssertEqual(toy.device.opened.ran, Array(repeating: run, count: 5).flatMap { $0 })
    }

    func testThreadsAreLeftOutWhereTheRuntimeDoesNotTell() async throws {
        toy.device.tellsThreads = false
        _ = await launch(Toy.part)
        XCTAssertNil(try records().first?.threads)
    }

    /// The fake device's footprint starts at 100 and grows by 10 a look: after warm-up (1 run) and 3 runs.
    func testMemoryIsThePeakOverTheRuns() async throws {
        _ = await launch(Toy.whole, "--photo", "china.jpg")
        XCTAssertEqual(try records().first?.memory, Record.Memory(peakBytes: 140, baselineBytes: 100))
    }

    func testAPartRunsOnTheInputsThatTheHostSent() async throws {
        let code = await launch(Toy.part)
        XCTAssertEqual(code, 0)
        let record = try XCTUnwrap(records().first)
        XCTAssertEqual(Array(record.samples.keys), ["forward"])
        XCTAssertEqual(record.inputs, ["image": [1, 2]])
        XCTAssertNil(record.tokens)
        XCTAssertEqual(record.photo, ["name": "china.jpg"])
    }

    func testRecordsAreAddedToThoseBefore() async throws {
        _ = await launch(Toy.part)
        let file = toy.files.results.appendingPathComponent("records.jsonl")
        var cutOff = try Data(contentsOf: file)
        cutOff.removeLast()  // an interrupted write
        try cutOff.write(to: file)
        _ = await launch(Toy.part)
        XCTAssertEqual(try records().count, 2)
    }

    // MARK: Signs of life

    func testEveryStepIsSaidAndTheLastOneStays() async throws {
        _ = await launch(Toy.part, "--verify", "yes")
        let said = try toy.device.said.map { line -> BenchmarkStatus in
            XCTAssertTrue(line.hasPrefix("MINIVLM {"))
            return try JSONCoding.decoder.decode(BenchmarkStatus.self, from: Data(line.dropFirst(8).utf8))
        }
        XCTAssertEqual(
            said.map(\.step.rawValue),
            ["starting", "cooling down", "loading", "warming up", "measuring", "verifying", "writing", "writing"])
        XCTAssertEqual(said.last?.state, .finished)
        XCTAssertEqual(try status(), said.last)
    }

    func testTheStatusHasEveryKeyEvenWithoutAMessage() async throws {
        _ = await launch(Toy.part)
        let data = try Data(contentsOf: toy.files.results.appendingPathComponent("status.json"))
        let keys = try XCTUnwrap(JSONSerialization.jsonObject(with: data) as? [String: Any]).keys
        XCTAssertEqual(
            Set(keys), ["format", "run", "round", "artifact", "state", "step", "message", "time"])
    }

    // MARK: Heat and power

    func testAWarmDeviceIsWaitedFor() async throws {
        toy.device.thermal = [.serious, .fair, .fair, .nominal]
        _ = await launch(Toy.part)
        XCTAssertEqual(toy.device.slept, 3)
        XCTAssertEqual(try records().first?.disturbed, [])
        XCTAssertEqual(try records().first?.environment["cooled_seconds"], .int(3))
    }

    func testADeviceThatStaysWarmIsMeasuredAndTheRecordSaysSo() async throws {
        toy.device.thermal = [.serious]
        toy.device.savesPower = true
        _ = await launch(Toy.part, "--cool-down", "2")
        XCTAssertEqual(toy.device.slept, 2)
        XCTAssertEqual(
            try records().first?.disturbed,
            [
                "thermal state serious before the first run", "thermal state serious after the last run",
                "low power mode",
            ])
    }

    func testLosingTheForegroundIsNotedUnlessItWasBefore() async throws {
        toy.device.lost = [true, true]
        _ = await launch(Toy.part)
        XCTAssertEqual(try records().first?.disturbed, ["the app left the foreground while it ran"])
        toy.device.lost = [true, false]
        _ = await launch(Toy.part)
        XCTAssertEqual(try records().last?.disturbed, [])
    }

    // MARK: Long measurements

    func testASustainedRunHasLatencyAndThermalStatesOverTime() async throws {
        toy.device.thermal = [.nominal, .nominal, .fair]  // cooled down, so it is said, and at the first run
        _ = await launch(Toy.part, "--sustained", "yes")
        let record = try XCTUnwrap(records().first)
        let second = try XCTUnwrap(record.sustained?.first)
        XCTAssertEqual(second[0], 1)
        XCTAssertEqual(second[1], Statistics.median(try XCTUnwrap(record.samples["forward"])), accuracy: 1e-9)
        XCTAssertEqual(
            record.environment["thermal_states"], .list([.list([.int(0), .text("fair")])]), "3 runs within a second")
    }

    func testOtherRunsHaveNeither() async throws {
        _ = await launch(Toy.part)
        XCTAssertNil(try records().first?.sustained)
        XCTAssertNil(try records().first?.environment["thermal_states"])
    }

    // MARK: Verification

    func testOutputsOfTheHostsInputsAreLeftForTheHost() async throws {
        _ = await launch(Toy.part, "--verify", "yes")
        let folder = toy.files.results.appendingPathComponent("part-executorch-fp32")
        let outputs = try JSONCoding.decoder.decode(
            VerificationOutputs.self, from: try Data(contentsOf: folder.appendingPathComponent("outputs.json")))
        let file = try XCTUnwrap(outputs.methods.first?.outputs.first)
        XCTAssertEqual(file.name, "doubled")
        XCTAssertEqual(file.file, "forward-doubled.bin")
        XCTAssertEqual(file.shape, [1, 2])
        XCTAssertEqual(outputs.artifact.name, Toy.part)
        let bytes = folder.appendingPathComponent(file.file)
        XCTAssertEqual(file.sha256, try toy.device.sha256(of: bytes))
        // IEEE 754: 2.0 is 40000000, -5.0 is C0A00000.
        XCTAssertEqual(Array(try Data(contentsOf: bytes)), [0, 0, 0, 0x40, 0, 0, 0xA0, 0xC0])
    }

    func testIntegersLeaveAsInt64() async throws {
        _ = await launch(Toy.whole, "--photo", "china.jpg", "--verify", "yes")
        let folder = toy.files.results.appendingPathComponent("toy-executorch-fp32")
        XCTAssertEqual(
            Array(try Data(contentsOf: folder.appendingPathComponent("regions-tags.bin"))),
            [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    func testDamagedInputsAreNotUsed() async throws {
        let file = toy.files.inputs.appendingPathComponent("part-executorch-fp32/forward-image.bin")
        try Data([0, 0, 0, 0, 0, 0, 0, 0]).write(to: file)
        let code = await launch(Toy.part)
        XCTAssertEqual(code, 2)
        try assertFailed("inputs/part-executorch-fp32/forward-image.bin is missing or damaged: copy it over again")
    }

    // MARK: What can go wrong

    func testAModelThatCannotBeLoadedLeavesARecordOfTheFailure() async throws {
        toy.device.broken = UserError("ExecuTorch cannot load it:\noperator missing")
        let code = await launch(Toy.part)
        XCTAssertEqual(code, 2)
        let record = try XCTUnwrap(records().first)
        XCTAssertEqual(record.status, .failed)
        XCTAssertEqual(record.error, Record.Failure(reason: "ExecuTorch cannot load it: operator missing"))
        XCTAssertEqual(record.samples, [:])
        try assertFailed("ExecuTorch cannot load it: operator missing")
        XCTAssertEqual(try status().step, .loading)
    }

    func testAWrongArgumentLeavesOnlyAStatus() async throws {
        let code = await launch(Toy.part, "--speed", "high")
        XCTAssertEqual(code, 2)
        try assertFailed("unknown argument --speed: docs/phones-ios.md lists those there are")
        XCTAssertEqual(try status().run, "R1")
        XCTAssertEqual(try status().round, 1)
        XCTAssertThrowsError(try records())
    }

    func testAMissingModelIsTold() async throws {
        _ = await launch("tee-0-executorch-fp32.pte")
        try assertFailed("no model tee-0-executorch-fp32.pte here: copy it into the app's Documents/models")
    }

    func testAMissingPhotoIsTold() async throws {
        _ = await launch(Toy.whole, "--photo", "cat.jpg")
        try assertFailed("no photo cat.jpg in inputs: copy it over")
        _ = await launch(Toy.whole)
        try assertFailed("\(Toy.whole) is a whole model: give --photo")
    }

    func testAFileThatIsNotTheSidecarsIsRefused() async throws {
        try Data("other".utf8).write(to: toy.files.models.appendingPathComponent(Toy.part))
        _ = await launch(Toy.part)
        try assertFailed(
            "part-executorch-fp32.json describes other bytes than part-executorch-fp32.pte holds: copy both over again")
    }

    /// A package is a folder. Expected: `minivlm.storage.files.sha256`, sorted by parts: "a/z" comes before "a-b".
    func testAPackagesSumIsOverTheNamesAndSumsOfItsFiles() throws {
        let package = try temporaryFolder().appendingPathComponent("model.mlpackage")
        for (name, content) in ["a/z": "1", "a-b": "2", "a/c/d": "3"] {
            let file = package.appendingPathComponent(name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(content.utf8).write(to: file)
        }
        let sum = { (text: String) in self.toy.device.sha256(Data(text.utf8)) }
        XCTAssertEqual(
            try toy.device.sha256(ofArtifact: package),
            sum("a/c/d \(sum("3"))\na/z \(sum("1"))\na-b \(sum("2"))\n"))
    }

    func testAMissingSidecarIsTold() async throws {
        try FileManager.default.removeItem(at: toy.files.models.appendingPathComponent("part-executorch-fp32.json"))
        _ = await launch(Toy.part)
        try assertFailed("part-executorch-fp32.pte has no part-executorch-fp32.json beside it: copy it there, too")
    }

    func testMissingLabelsAreTold() async throws {
        let labels = toy.files.models.appendingPathComponent("toy-executorch-fp32-words/vocab.txt")
        try FileManager.default.removeItem(at: labels)
        _ = await launch(Toy.whole, "--photo", "china.jpg")
        try assertFailed("cannot read vocab.txt: put a BERT vocab.txt there")
    }
}

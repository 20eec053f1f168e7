import Foundation
import XCTest

@testable import MiniVLMCore

/// Measurements on the screen: how they are asked for, what the chart shows, and the file that is shared.
final class MeasuredRecordTests: XCTestCase {
    private func record(_ sustained: [[Double]]?, states: JSONValue? = nil) -> Record {
        var record = Record(
            run: "R/1", round: 0, status: .ok, model: "toy", runtime: "coreml", precision: "fp16", threadsAsked: 0,
            artifact: .init(name: "toy.mlpackage", bytes: 1, sha256: "ab"), inputs: [:], photo: [:], weights: "random",
            environment: states.map { ["thermal_states": $0] } ?? [:], profile: "app", time: "2026-01-02T03:04:05Z")
        record.sustained = sustained
        record.samples = ["regions": [10, 20, 60], "steps": [1, 2, 3]]
        return record
    }

    private let heat = JSONValue.list([
        .list([.int(0), .text("nominal")]), .list([.number(5.5), .text("fair")]),
    ])

    /// Eight seconds: the quarters are the seconds 1 and 2 (medians of 100, 110) and, as in `bench/reporting/sweeps.py`
    /// with both ends, 6 to 8 (140, 150, 160). 150 / 105 is 1.43.
    func testBeginningAndEndAreMediansOfTheQuarters() throws {
        let times: [Double] = [100, 110, 120, 125, 130, 140, 150, 160]
        let chart = try XCTUnwrap(
            SustainedChart(record(times.enumerated().map { [Double($0.offset + 1), $0.element] }, states: heat)))
        XCTAssertEqual(chart.begin, 105)
        XCTAssertEqual(chart.end, 150)
        XCTAssertEqual(chart.points[2], .init(seconds: 3, milliseconds: 120))
        XCTAssertEqual(
            chart.spans, [.init(from: 0, to: 5.5, state: .nominal), .init(from: 5.5, to: 8, state: .fair)])
        XCTAssertEqual(
            chart.text,
            "105.0 ms in the beginning, 150.0 ms in the end, 1.43 times as long. "
                + "Thermal state: nominal, fair from 0:05 on.")
    }

    /// Ten minutes, each second as many milliseconds as its number: the first and the last minute, not quarters. The
    /// medians of 1 to 60 and of 540 to 600 are 30.5 and 570, and 570 / 30.5 is 18.69.
    func testOfLongTimesTheFirstAndTheLastMinuteCount() throws {
        let chart = try XCTUnwrap(SustainedChart(record((1...600).map { [Double($0), Double($0)] })))
        XCTAssertEqual(chart.begin, 30.5)
        XCTAssertEqual(chart.end, 570)
        XCTAssertEqual(chart.spans, [])
        XCTAssertEqual(chart.text, "30.5 ms in the beginning, 570.0 ms in the end, 18.69 times as long.")
    }

    func testASingleSlowRunIsAChart() throws {
        let chart = try XCTUnwrap(SustainedChart(record([[90, 5000]])))
        XCTAssertEqual([chart.begin, chart.end], [5000, 5000])
    }

    func testOtherRecordsHaveNoChart() {
        XCTAssertNil(SustainedChart(record(nil)))
        XCTAssertNil(SustainedChart(record([])))
    }

    func testStatesThatCannotBeReadAreLeftOut() throws {
        let odd = JSONValue.list([.list([.int(0), .text("warm")]), .text("fair"), .list([.null, .text("fair")])])
        XCTAssertEqual(try XCTUnwrap(SustainedChart(record([[1, 2]], states: odd))).spans, [])
    }

    /// Runs of 11, 22 and 63 ms.
    func testAMeasurementSaysItsMetricOrWhyThereIsNone() {
        XCTAssertEqual(MeasuredRecord(id: 0, record: record(nil)).text, "22.0 ms, median of 3 runs.")
        var interfered = record(nil)
        interfered.disturbed = ["low power mode"]
        XCTAssertEqual(
            MeasuredRecord(id: 0, record: interfered).text, "22.0 ms, median of 3 runs. Interference: low power mode.")
        var failed = record(nil)
        (failed.samples, failed.error) = ([:], .init(reason: "stopped by the user"))
        XCTAssertEqual(MeasuredRecord(id: 0, record: failed).text, "Failed: stopped by the user")
        XCTAssertEqual(MeasuredRecord(id: 0, record: failed).title, "toy, coreml, fp16")
    }

    func testTheNewestRecordComesFirstAndUnreadLinesAreCounted() throws {
        let files = BenchmarkFiles(documents: try temporaryFolder())
        XCTAssertEqual(MeasuredRecord.all(in: files.results).measurements.count, 0)
        try files.append(record([[1, 2]], states: heat), to: "app.jsonl")
        try Data("{}\n".utf8).write(to: files.results.appendingPathComponent("broken.jsonl"))
        let later = try record(nil).json(time: "2026-02-02T03:04:05Z")
        try Data((later + "\n").utf8).write(to: files.results.appendingPathComponent("records.jsonl"))
        let (measurements, faults) = MeasuredRecord.all(in: files.results)
        XCTAssertEqual(measurements.map(\.record.time), ["2026-02-02T03:04:05Z", "2026-01-02T03:04:05Z"])
        XCTAssertEqual(measurements.map(\.id), [0, 1])
        XCTAssertEqual(measurements[1].chart?.spans.map(\.state), [.nominal])
        XCTAssertEqual(faults, ["broken.jsonl: 1 of 1 lines unread"])
    }

    func testASharedFileHoldsTheRecordUnderAPlainName() throws {
        let folder = try temporaryFolder().appendingPathComponent("shared")
        let record = record([[1, 2]], states: heat)
        let file = try MeasuredRecord(id: 0, record: record).export(to: folder)
        XCTAssertEqual(file.lastPathComponent, "toy-coreml-fp16-R_1-0.jsonl")
        XCTAssertEqual(try String(contentsOf: file, encoding: .utf8), try record.json() + "\n")
    }

    /// A minute of the toy would take a minute: the same arguments with a shorter time make a record with a chart.
    func testTheScreenAsksForALongMeasurementInTheBenchmarksOwnWords() async throws {
        let toy = try Toy(documents: try temporaryFolder())
        let asked = ScreenBenchmark(artifact: Toy.whole, accelerator: Accelerator.all[0], minutes: 5)
        let request = try BenchmarkRequest(arguments: asked.arguments(run: "R"))
        XCTAssertEqual(request.steady.seconds, 300)
        XCTAssertEqual(request.computeUnits, .cpu)
        XCTAssertTrue(request.sustained)
        try toy.files.lend(photo: Data("photo".utf8))
        let steps = Steps()
        let benchmark = Benchmark(files: toy.files, platform: toy.device) { steps.add($0) }
        let code = await benchmark.perform(
            arguments: asked.arguments(run: "R").map { $0 == "300" ? "0" : $0 })
        XCTAssertEqual(code, 0)
        XCTAssertEqual(
            steps.all, ["starting", "cooling down", "loading", "warming up", "measuring", "writing"])
        let made = try XCTUnwrap(MeasuredRecord.all(in: toy.files.results).measurements.first)
        XCTAssertEqual(made.record.profile, "app")
        XCTAssertEqual(made.chart?.points.count, 1)
        XCTAssertNil(toy.files.failure())
        toy.files.takeBackPhoto()
        XCTAssertFalse(
            FileManager.default.fileExists(atPath: toy.files.inputs.appendingPathComponent("app-photo").path))
    }

    func testAStoppedMeasurementSaysSo() async throws {
        let toy = try Toy(documents: try temporaryFolder())
        try toy.files.lend(photo: Data("photo".utf8))
        let asked = ScreenBenchmark(artifact: Toy.whole, accelerator: Accelerator.all[0], minutes: 10)
        let (files, device) = (toy.files, toy.device)
        let running = Task {
            await Benchmark(files: files, platform: device).perform(arguments: asked.arguments(run: "R"))
        }
        running.cancel()
        let code = await running.value
        XCTAssertEqual(code, 2)
        let made = MeasuredRecord.all(in: toy.files.results).measurements
        XCTAssertEqual(made.map(\.text), ["Failed: stopped by the user"])
        XCTAssertEqual(files.failure(), "stopped by the user")
    }
}

/// What was told, in order.
private final class Steps: @unchecked Sendable {
    private let lock = NSLock()
    private var told: [String] = []

    func add(_ step: String) { lock.withLock { told.append(step) } }

    var all: [String] { lock.withLock { told } }
}

extension Record {
    /// The record as it would be at another time.
    fileprivate func json(time: String) throws -> String {
        try json().replacingOccurrences(of: self.time, with: time)
    }
}

import Foundation
import XCTest

@testable import MiniVLMCore

/// Records as `bench/records/record.py` reads them: tests/fixtures/records/ios.jsonl, which a Python test reads.
///
/// After a change of the schema, put what this test says was written into that file.
final class RecordTests: XCTestCase {
    private static let measured: Record = {
        var record = Record(
            run: "20260102T030405Z", round: 1, status: .ok, model: "minivlm", runtime: "executorch", precision: "fp32",
            threadsAsked: 0,
            artifact: .init(
                name: "minivlm-executorch-fp32.pte", bytes: 215_000_000, sha256: String(repeating: "ab", count: 32)),
            inputs: ["image": [1, 3, 512, 512]],
            photo: ["name": "china.jpg", "sha256": String(repeating: "cd", count: 32)], weights: "random (seed 0)",
            environment: [
                "phone": .text("iPhone16,1"), "cores": .int(6), "memory_gib": .number(7.5), "battery": .null,
                "charging": .bool(true), "thermal_before": .text("fair"), "cooled_seconds": .number(12),
                "versions": .object(["app": .text("0.1.0")]),
            ],
            profile: "quick", time: "2026-01-02T03:04:05Z")
        record.threads = 6
        record.samples = [
            "preprocess": [10.25, 10.5], "regions": [90, 91], "prefill": [20, 21], "steps": [95.5, 96],
        ]
        record.tokens = 19
        record.loadMs = 512.5
        record.firstMs = 300
        record.memory = .init(peakBytes: 600_000_000, baselineBytes: 50_000_000)
        record.disturbed = ["thermal state fair before the first run"]
        return record
    }()

    private static let failed: Record = {
        var record = Record(
            run: "20260102T030405Z", round: 0, status: .failed, model: "tee-0", runtime: "coreml", precision: "fp16",
            threadsAsked: 4,
            artifact: .init(name: "tee-0-coreml-fp16.mlpackage", bytes: 9, sha256: String(repeating: "ef", count: 32)),
            inputs: [:], photo: ["name": "china.jpg"], weights: "random (seed 0)",
            environment: [:], profile: "quick", time: "2026-01-02T03:04:05Z")
        record.accelerator = "cpu-and-ne"
        record.error = .init(reason: "Core ML cannot load tee-0-coreml-fp16.mlpackage: export it again")
        return record
    }()

    func testRecordsAreWrittenAsInTheFixture() throws {
        let stored = try String(contentsOf: Fixture.url("records/ios.jsonl"), encoding: .utf8)
        let written = try [Self.measured, Self.failed].map { try $0.json() + "\n" }.joined()
        XCTAssertEqual(written, stored, "written:\n\(written)")
    }

    func testWhatWasWrittenIsReadBack() throws {
        for record in [Self.measured, Self.failed] {
            let read = try JSONCoding.decoder.decode(Record.self, from: Data(try record.json().utf8))
            XCTAssertEqual(try read.json(), try record.json())
        }
    }
}

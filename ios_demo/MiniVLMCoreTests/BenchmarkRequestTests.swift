import XCTest

@testable import MiniVLMCore

/// Launch arguments, as docs/phones-ios.md lists them.
final class BenchmarkRequestTests: XCTestCase {
    /// What every launch needs.
    static let needed = [
        "--benchmark", "--artifact", "minivlm-executorch-fp32.pte", "--run", "R1", "--profile", "quick",
        "--warmup-runs", "1", "--warmup-seconds", "0.5", "--runs", "3", "--seconds", "2",
    ]

    private func parse(_ more: String...) throws -> BenchmarkRequest {
        try BenchmarkRequest(arguments: ["MiniVLM"] + Self.needed + more)
    }

    private func parse(without name: String) throws -> BenchmarkRequest {
        let place = Self.needed.firstIndex(of: name)!
        var arguments = Self.needed
        arguments.removeSubrange(place...place + 1)
        return try BenchmarkRequest(arguments: arguments)
    }

    func testWhatIsNeededIsEnough() throws {
        let request = try parse()
        XCTAssertEqual(request.artifact, "minivlm-executorch-fp32.pte")
        XCTAssertEqual(request.warmup, StopRule(runs: 1, seconds: 0.5))
        XCTAssertEqual(request.steady, StopRule(runs: 3, seconds: 2))
        XCTAssertEqual(request.round, 0)
        XCTAssertNil(request.photo)
        XCTAssertEqual(request.threads, 0)
        XCTAssertEqual(request.computeUnits, .all)
        XCTAssertEqual(request.coolDown, 180)
        XCTAssertFalse(request.sustained)
        XCTAssertFalse(request.verify)
        XCTAssertEqual(request.output, "records.jsonl")
    }

    func testEverythingElseMayBeGiven() throws {
        let request = try parse(
            "--photo", "china.jpg", "--round", "2", "--threads", "4", "--compute-units", "cpu-and-ne",
            "--cool-down", "5.5", "--verify", "yes", "--sustained", "yes",
            "--output", "mine.jsonl", "--cap", "30", "--least", "3", "--warmup-cap", "10")
        XCTAssertEqual(request.photo, "china.jpg")
        XCTAssertEqual(request.round, 2)
        XCTAssertEqual(request.threads, 4)
        XCTAssertEqual(request.computeUnits, .cpuANE)
        XCTAssertEqual(request.coolDown, 5.5)
        XCTAssertTrue(request.sustained)
        XCTAssertTrue(request.verify)
        XCTAssertEqual(request.output, "mine.jsonl")
        XCTAssertEqual(request.steady, StopRule(runs: 3, seconds: 2, cap: 30, least: 3))
        XCTAssertEqual(request.warmup, StopRule(runs: 1, seconds: 0.5, cap: 10))
    }

    func testWhatIsMissingIsNamed() {
        for name in ["artifact", "run", "profile", "warmup-runs", "warmup-seconds", "runs", "seconds"] {
            assertUserError("argument --\(name) is missing: give it with a value") { try parse(without: "--\(name)") }
        }
    }

    func testMistakesAreTold() {
        let mistakes = [
            (["--phot", "x"], "unknown argument --phot: docs/phones-ios.md lists those there are"),
            (["photo", "x"], "argument 'photo': a name such as --artifact goes first"),
            (["--photo"], "argument --photo has no value: give one behind it"),
            (["--run", "R2"], "argument --run stands there twice: leave one out"),
            (["--photo", "../secret.jpg"], "--photo ../secret.jpg: give a plain file name, without a folder"),
            (["--output", ".."], "--output ..: give a plain file name, without a folder"),
            (["--round", "-1"], "--round -1: give a whole number from 0 up"),
            (["--threads", "four"], "--threads four: give a whole number from 0 up"),
            (["--cool-down", "nan"], "--cool-down nan: give seconds, 0 or more"),
            (["--compute-units", "gpu"], "--compute-units gpu: give one of all, cpu, cpu-and-gpu, cpu-and-ne"),
            (["--verify", "maybe"], "--verify maybe: give one of yes, no"),
        ]
        for (more, message) in mistakes {
            assertUserError(message) { try BenchmarkRequest(arguments: Self.needed + more) }
        }
    }

    func testWhatTheSystemAddsBeforeIsNotOurs() throws {
        XCTAssertEqual(
            try BenchmarkRequest(arguments: ["/private/var/MiniVLM", "-NSDoc"] + Self.needed),
            try BenchmarkRequest(arguments: Self.needed))
    }
}

import XCTest

@testable import MiniVLMCore

/// How often something is run, on a clock that the test moves.
final class StageTimerTests: XCTestCase {
    private var now = 0.0
    private var calls: [String] = []
    private var lives = 0

    /// A stage that takes so many seconds.
    private func stage(_ name: String, seconds: Double) -> Stage {
        Stage(name: name) {
            self.calls.append(name)
            self.now += seconds
        }
    }

    private func timer(_ stages: [Stage]) -> StageTimer {
        StageTimer(stages: stages, clock: { self.now }, alive: { _ in self.lives += 1 })
    }

    func testStagesRunInOrderAndAreTimedOneByOne() throws {
        let milliseconds = try timer([stage("a", seconds: 0.25), stage("b", seconds: 0.5)]).once()
        XCTAssertEqual(milliseconds, [250, 500])
        XCTAssertEqual(calls, ["a", "b"])
    }

    func testAtLeastSoManyRuns() throws {
        let samples = try timer([stage("a", seconds: 1)]).repeat(until: StopRule(runs: 3, seconds: 0)).samples
        XCTAssertEqual(samples, ["a": [1000, 1000, 1000]])
        XCTAssertEqual(lives, 3)
    }

    func testAndAtLeastSoManySeconds() throws {
        let samples = try timer([stage("a", seconds: 0.5)]).repeat(until: StopRule(runs: 1, seconds: 2)).samples
        XCTAssertEqual(samples["a"]?.count, 4)
    }

    func testSlowModelsStopEarlyAfterTheFewestRuns() throws {
        let stop = StopRule(runs: 10, seconds: 1, cap: 3, least: 2)
        XCTAssertEqual(try timer([stage("a", seconds: 5)]).repeat(until: stop).samples["a"]?.count, 2)
    }

    /// Runs of 625 ms end at 0.625, 1.25, 1.875 and 2.5 s: one in the first second, two in the second, one in the third.
    func testLatencyOverTimeIsTheMedianOfEverySecond() throws {
        let timings = try timer([stage("a", seconds: 0.375), stage("b", seconds: 0.25)])
            .repeat(until: StopRule(runs: 1, seconds: 2))
        XCTAssertEqual(timings.ends, [0.625, 1.25, 1.875, 2.5])
        XCTAssertEqual(timings.bySecond, [[1, 625], [2, 625], [3, 625]])
    }

    func testAFailureEndsTheMeasurement() {
        let broken = Stage(name: "broken") { throw UserError("it broke") }
        assertUserError("it broke") {
            try timer([broken]).repeat(until: StopRule(runs: 3, seconds: 0))
        }
    }
}

final class StatisticsTests: XCTestCase {
    /// By hand, and equal to numpy's default ("linear").
    func testPercentilesLieBetweenNeighboursInProportion() {
        XCTAssertEqual(Statistics.percentile([4, 1, 3, 2], 50), 2.5)
        XCTAssertEqual(Statistics.percentile([4, 1, 3, 2], 90), 3.7, accuracy: 1e-12)
        XCTAssertEqual(Statistics.percentile([4, 1, 3, 2], 0), 1)
        XCTAssertEqual(Statistics.percentile([4, 1, 3, 2], 100), 4)
    }

    func testTheSpreadIsHalfTheDistanceOfTheQuartiles() {
        XCTAssertEqual(Statistics.spread([1, 2, 3, 4, 5]), 1)
        XCTAssertEqual(Statistics.spread([7]), 0)
    }

    func testOneSlowRunDoesNotMoveTheMedian() {
        XCTAssertEqual(Statistics.median([10, 11, 900]), 11)
    }
}

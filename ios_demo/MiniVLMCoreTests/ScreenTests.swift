import Foundation
import XCTest

@testable import MiniVLMCore

/// What the screen shows after what happened.
final class ScreenTests: XCTestCase {
    private var screen = Screen()
    private let choice = ModelChoice(artifact: Toy.whole, title: "toy, executorch, fp32")
    private let cat = ShownRegion(
        id: 0, box: Box(x1: 0, y1: 0, x2: 2, y2: 2), tag: "cat", score: 0.75, attribute: "black")
    private let answers = Timed(
        result: [Answer(text: "yes", probability: 0.5)], stages: [StageTime(name: "vqa", milliseconds: 4)])

    private func artifact() throws -> Artifact {
        try Artifact(try Toy(documents: try temporaryFolder()).files.models.appendingPathComponent(Toy.whole))
    }

    private func photo() throws -> RGBImage { try RGBImage(width: 4, height: 2, levels: Array(0..<24)) }

    private func describePhoto() throws {
        screen.open(choice)
        screen.opened(try artifact())
        screen.look(at: try photo())
        screen.saw([cat], in: [StageTime(name: "regions", milliseconds: 3)])
        screen.wrote(.finished(Timed(result: "a cat", stages: [StageTime(name: "steps", milliseconds: 5)])))
    }

    /// Expected: the table of docs/phones-ios.md, all of it.
    func testTheDocumentationHasEveryStateWithItsTextAndActions() throws {
        let written = Screen.State.allCases.map { state in
            let actions = Screen.Action.allCases.filter(state.actions.contains).map(\.rawValue)
            let list = actions.isEmpty ? "nothing" : actions.joined(separator: ", ")
            return "| \(state.rawValue) | \(state.text) | \(list) |"
        }
        let rows = try Fixture.page("phones-ios.md").drop { !$0.hasPrefix("| State | What it says |") }
            .dropFirst(2).prefix { $0.hasPrefix("|") }
        XCTAssertEqual(rows.map(String.init), written)
    }

    func testAPhotoIsDescribedStepByStep() throws {
        XCTAssertEqual(screen.state, .opening)
        screen.open(choice)
        screen.opened(try artifact())
        XCTAssertEqual(screen.state, .waiting)
        XCTAssertEqual(screen.weights, "random (seed 0)")
        screen.read()
        XCTAssertEqual(screen.state, .looking)
        screen.look(at: try photo())
        screen.saw([cat], in: [StageTime(name: "regions", milliseconds: 3)])
        XCTAssertEqual(screen.state, .writing)
        XCTAssertNil(screen.caption)
        screen.wrote(.words("a"))
        XCTAssertEqual(screen.caption, "a")
        XCTAssertFalse(screen.offers(.ask))
        screen.wrote(.finished(Timed(result: "a cat", stages: [StageTime(name: "steps", milliseconds: 5)])))
        XCTAssertEqual(screen.caption, "a cat")
        XCTAssertEqual(screen.state, .described)
        XCTAssertEqual(screen.stages.map(\.name), ["regions", "steps"])
        screen.ask()
        XCTAssertEqual(screen.state, .answering)
        screen.answered(answers)
        XCTAssertEqual(screen.state, .answered)
        XCTAssertEqual(screen.answers, answers.result)
    }

    func testASecondQuestionTakesThePlaceOfTheFirst() throws {
        try describePhoto()
        screen.answered(answers)
        screen.ask()
        XCTAssertEqual(screen.answers, [])
        screen.answered(Timed(result: [], stages: [StageTime(name: "vqa", milliseconds: 9)]))
        XCTAssertEqual(screen.stages.last, StageTime(name: "vqa", milliseconds: 9))
        XCTAssertEqual(screen.stages.count, 3)
    }

    /// A question that cannot be answered leaves the caption and all that can be done with it.
    func testAFaultLeavesWhatIsThere() throws {
        try describePhoto()
        screen.ask()
        screen.failed(UserError("the question is empty: write at least one word"))
        XCTAssertEqual(screen.state, .described)
        XCTAssertEqual(screen.message, "the question is empty: write at least one word")
        XCTAssertEqual(screen.caption, "a cat")
        XCTAssertTrue(screen.offers(.ask))
        screen.ask()
        XCTAssertNil(screen.message)
    }

    func testADamagedModelIsNamedWhateverElseHappens() throws {
        screen.found([choice], faults: ["bad.json is damaged"])
        try describePhoto()
        XCTAssertEqual(screen.models, [choice])
        XCTAssertEqual(screen.faults, ["bad.json is damaged"])
    }

    func testFaultsOnTheWay() throws {
        screen.open(choice)
        screen.failed(UserError("broken"))
        XCTAssertEqual(screen.state, .unopened)
        screen.opened(try artifact())
        screen.read()
        screen.failed(UserError("the photo is damaged"))
        XCTAssertEqual(screen.state, .waiting)
        screen.look(at: try photo())
        screen.failed(UserError("broken"))
        XCTAssertEqual(screen.state, .undescribed)
        XCTAssertFalse(screen.offers(.measure))
        screen.measure()
        screen.failed(CancellationError())
        XCTAssertEqual(screen.state, .unopened)
        XCTAssertEqual(screen.message, "stopped by the user")
    }

    func testAnotherModelForgetsWhatTheLastOneSaid() throws {
        try describePhoto()
        screen.choose(region: 0)
        screen.open(choice)
        XCTAssertNil(screen.caption)
        XCTAssertNil(screen.chosenRegion)
        XCTAssertEqual(screen.regions, [])
        XCTAssertEqual(screen.stages, [])
        XCTAssertNotNil(screen.photo)
        screen.opened(try artifact())
        XCTAssertEqual(screen.state, .undescribed)
    }

    func testTappingTellsAttributeTagAndScore() throws {
        try describePhoto()
        screen.tap(x: 1, y: 1)
        XCTAssertEqual(screen.chosenRegion?.title, "black cat 75 %")
        XCTAssertEqual(screen.chosenRegion?.spoken, "black cat, score 75 %")
        screen.tap(x: 3, y: 1)
        XCTAssertNil(screen.chosenRegion)
        screen.choose(region: 0)
        screen.choose(region: 0)
        XCTAssertNil(screen.chosenRegion)
    }

    func testAMeasurementSaysWhereItIs() throws {
        try describePhoto()
        XCTAssertTrue(screen.offers(.measure))
        screen.measure()
        screen.measures("warming up")
        XCTAssertEqual(screen.step, "warming up")
        XCTAssertTrue(screen.offers(.stop))
        XCTAssertFalse(screen.offers(.chooseModel))
    }

    func testOnlyASidewaysPhoneWithTextOfUsualSizePutsThePhotoBesideTheTexts() {
        XCTAssertEqual(Arrangement(isShort: true, isTextLarge: false), .sideBySide)
        XCTAssertEqual(Arrangement(isShort: true, isTextLarge: true), .stacked)
        XCTAssertEqual(Arrangement(isShort: false, isTextLarge: false), .stacked)
    }
}

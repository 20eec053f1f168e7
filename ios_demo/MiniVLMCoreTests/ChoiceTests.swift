import Foundation
import XCTest

@testable import MiniVLMCore

/// What can be chosen on the screen: regions, models, accelerators.
final class ChoiceTests: XCTestCase {
    private func region(_ id: Int, _ x1: Float, _ y1: Float, _ x2: Float, _ y2: Float) -> ShownRegion {
        ShownRegion(id: id, box: Box(x1: x1, y1: y1, x2: x2, y2: y2), tag: "cat", score: 0.5)
    }

    /// Areas 100, 16 and 1, one within the other.
    private var nested: [ShownRegion] {
        [region(0, 0, 0, 10, 10), region(1, 2, 2, 6, 6), region(2, 3, 3, 4, 4)]
    }

    private func tap(_ x: Float, _ y: Float, chosen: Int?) -> Int? {
        ShownRegion.tapped(x: x, y: y, among: nested, chosen: chosen)
    }

    func testATapChoosesTheSmallestRegionAroundIt() {
        XCTAssertEqual(tap(3.5, 3.5, chosen: nil), 2)
        XCTAssertEqual(tap(5, 5, chosen: nil), 1)
        XCTAssertEqual(tap(9, 9, chosen: 2), 0)
        XCTAssertNil(tap(11, 5, chosen: 2))
    }

    func testTapsOnTheSamePlaceGoThroughAllAndThenToNone() {
        XCTAssertEqual(tap(3.5, 3.5, chosen: 2), 1)
        XCTAssertEqual(tap(3.5, 3.5, chosen: 1), 0)
        XCTAssertNil(tap(3.5, 3.5, chosen: 0))
    }

    func testOfRegionsOfOneSizeTheBetterOneComesFirst() {
        let twins = [region(4, 0, 0, 2, 2), region(5, 1, 1, 3, 3)]
        XCTAssertEqual(ShownRegion.tapped(x: 1.5, y: 1.5, among: twins, chosen: nil), 4)
        XCTAssertEqual(ShownRegion.tapped(x: 1.5, y: 1.5, among: twins, chosen: 4), 5)
    }

    /// The toy finds one region of class 1, a dog, with 0.75, red (FakeDevice.swift), and a row that only fills.
    func testRowsThatFillAreNotShown() async throws {
        let toy = try Toy(documents: try temporaryFolder())
        let assistant = try Assistant(
            Artifact(toy.files.models.appendingPathComponent(Toy.whole)), runtime: ToyRuntime())
        let found = try await assistant.look(at: try RGBImage(width: 4, height: 2, levels: Array(0..<24))).result
        let shown = try ShownRegion.best(of: found, labels: assistant.labels)
        XCTAssertEqual(
            shown,
            [ShownRegion(id: 0, box: Box(x1: 0, y1: 0, x2: 2, y2: 2), tag: "dog", score: 0.75, attribute: "red")])
        XCTAssertEqual(try ShownRegion.best(of: found, labels: assistant.labels, most: 0), [])
    }

    func testWholeModelsAreOfferedAndADamagedOneHidesNoOther() throws {
        let models = try Toy(documents: try temporaryFolder()).files.models
        try Data("{".utf8).write(to: models.appendingPathComponent("bad.json"))
        try Data().write(to: models.appendingPathComponent("bad.pte"))
        let (choices, faults) = ModelChoice.among(try Artifact.all(in: models))
        XCTAssertEqual(choices, [ModelChoice(artifact: Toy.whole, title: "toy, executorch, fp32")])
        XCTAssertEqual(faults, ["bad.json is not a sidecar of format 2: export the model again"])
    }

    private func artifact(runtime: String) throws -> Artifact {
        let models = try Toy(documents: try temporaryFolder()).files.models
        let sidecar = models.appendingPathComponent("toy-executorch-fp32.json")
        let text = try String(contentsOf: sidecar, encoding: .utf8)
        try Data(text.replacingOccurrences(of: "\"executorch\"", with: "\"\(runtime)\"").utf8).write(to: sidecar)
        return try Artifact(models.appendingPathComponent(Toy.whole))
    }

    func testARuntimeOffersItsOwnAccelerators() throws {
        let program = try artifact(runtime: "executorch")
        XCTAssertEqual(Accelerator.choices(for: program.sidecar).map(\.title), ["CPU (XNNPACK)"])
        let package = try artifact(runtime: "coreml")
        XCTAssertEqual(
            Accelerator.choices(for: package.sidecar).map(\.computeUnits), [.all, .cpuANE, .cpuGPU, .cpu])
    }

    func testAChosenAcceleratorStaysWhereTheModelCanUseIt() throws {
        let package = try artifact(runtime: "coreml")
        let wanted = Accelerator.all[3]
        XCTAssertEqual(try Accelerator.fitting(package, wanted: wanted), wanted)
        XCTAssertEqual(try Accelerator.fitting(package, wanted: Accelerator.all[0]).computeUnits, .all)
        XCTAssertEqual(try Accelerator.fitting(artifact(runtime: "executorch"), wanted: wanted).id, "xnnpack")
    }

    func testAModelForAnotherRuntimeIsRefused() throws {
        assertUserError(
            "\(Toy.whole) is for the runtime litert, which this app does not have: export it for executorch or coreml"
        ) { try Accelerator.fitting(try artifact(runtime: "litert"), wanted: nil) }
    }

    func testIdentifiersAreDistinct() {
        XCTAssertEqual(Set(Accelerator.all.map(\.id)).count, Accelerator.all.count)
    }
}

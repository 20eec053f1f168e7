import Foundation
import XCTest

@testable import MiniVLMCore

/// From a photo to a caption and an answer, over the toy model.
final class AssistantTests: XCTestCase {
    private func assistant(_ name: String = Toy.whole) throws -> Assistant {
        let toy = try Toy(documents: try temporaryFolder())
        return try Assistant(
            Artifact(toy.files.models.appendingPathComponent(name)), runtime: ToyRuntime())
    }

    private func photo() throws -> RGBImage {
        try RGBImage(width: 4, height: 2, levels: Array(0..<24))
    }

    /// The toy's only valid region is (0, 0, 16, 16) of 32 x 32 network pixels; 4 x 2 photo pixels fill 32 x 16 of them.
    func testRegionsComeBackInThePhotosPixels() async throws {
        let seen = try await assistant().look(at: try photo())
        XCTAssertEqual(seen.stages.map(\.name), ["preprocess", "regions"])
        XCTAssertEqual(seen.result.boxes[0], Box(x1: 0, y1: 0, x2: 2, y2: 2))
        XCTAssertEqual(seen.result.valid, [true, false])
        XCTAssertEqual(seen.result.validTags, [1])
        XCTAssertEqual(seen.result.attributes, [2, 1])
        // Features, then geometry, row by row.
        XCTAssertEqual(seen.result.vectors.shape, [2, 9])
        XCTAssertEqual(Array(seen.result.vectors.values[..<9]), [1, 2, 3, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    }

    private func outputs(_ names: [String]) -> MethodSpec {
        MethodSpec(
            name: "regions", inputs: [], outputs: names.map { TensorSpec(name: $0, shape: [], dtype: "float32") })
    }

    /// What the toy finds, without its attributes.
    private func found(_ outputs: MethodSpec) throws -> PhotoRegions {
        let input = NetworkInput.letterbox(try photo(), height: 32, width: 32, pixels: .imagenet)
        let given = try ToyRuntime().run(outputs, input.tensors)
        return try PhotoRegions(Array(given[..<5]) + [given[7]], of: outputs, in: input)
    }

    func testAnArtifactFromBeforeThereWereAttributesSaysNothingOfThem() throws {
        let old = try found(outputs(["features", "boxes", "geometry", "tags", "scores", "proposals"]))
        XCTAssertEqual(old.validTags, [1])
        XCTAssertNil(old.attributes)
    }

    func testAnOutputThatIsNeededAndMissingIsNamed() throws {
        assertUserError("the method regions has no output tags: export the model again") {
            try found(outputs(["features", "boxes", "geometry"]))
        }
    }

    /// Phrases equal tests/fixtures/regions, which Python's `Pipeline.phrases` wrote.
    func testRegionsAreCalledWhatPythonCallsThem() async throws {
        struct Content: Decodable {
            struct Case: Decodable {
                let name: String
                let tagNames: [String]
                let attributeNames: [String]
                let tags: [Int]
                let attributes: [Int]?
                let phrases: [String]
            }
            let cases: [Case]
        }
        let tokenizer = try assistant().labels.tokenizer
        let box = Box(x1: 0, y1: 0, x2: 1, y2: 1)
        for item in try Fixture.decode(Content.self, "regions/cases.json").cases {
            let labels = Labels(
                tokenizer: tokenizer, tags: item.tagNames, answers: [], attributes: item.attributeNames)
            let phrases = try item.tags.enumerated().map { row, tag in
                ShownRegion(
                    id: row, box: box, tag: try labels.tagName(tag), score: 1,
                    attribute: try labels.attributeName(item.attributes?[row] ?? 0)
                ).phrase
            }
            XCTAssertEqual(phrases, item.phrases, item.name)
        }
    }

    func testAnAttributeWithoutALineIsNamed() throws {
        let labels = Labels(tokenizer: try assistant().labels.tokenizer, tags: [], answers: [], attributes: ["red"])
        assertUserError("the model found attribute 2 and attributes.txt has 1 lines: copy the right labels over") {
            try labels.attributeName(2)
        }
    }

    func testACaptionIsWrittenAndTimed() async throws {
        let assistant = try assistant()
        let regions = try await assistant.look(at: try photo()).result
        let caption = try await assistant.caption(regions)
        XCTAssertEqual(caption.stages.map(\.name), ["prefill", "steps"])
        XCTAssertEqual(caption.result, assistant.labels.tokenizer.decode([300, 301]))
        XCTAssertFalse(caption.result.isEmpty)
    }

    /// Tokens 300, 301 and [SEP] of the toy: its first word is finished when the second one is there.
    func testACaptionAppearsWordByWord() async throws {
        let assistant = try assistant()
        let regions = try await assistant.look(at: try photo()).result
        var (told, finished): ([String], String?) = ([], nil)
        for try await progress in assistant.write(regions) {
            switch progress {
            case .words(let text): told.append(text)
            case .finished(let timed): finished = timed.result
            }
        }
        let decode = assistant.labels.tokenizer.decode
        XCTAssertEqual(told, [decode([300])])
        XCTAssertEqual(finished, decode([300, 301]))
    }

    /// The toy's logits are 0, 2 and -1; a sigmoid of 2 is 0.8808.
    func testAnswersComeBestFirst() async throws {
        let assistant = try assistant()
        let regions = try await assistant.look(at: try photo()).result
        let answers = try await assistant.answer("is it a dog?", about: regions, top: 2).result
        XCTAssertEqual(answers.map(\.text), ["yes", "no"])
        XCTAssertEqual(answers[0].probability, 0.8808, accuracy: 1e-4)
        XCTAssertEqual(answers[1].probability, 0.5)
    }

    func testAnEmptyQuestionIsRefused() async throws {
        let assistant = try assistant()
        let regions = try await assistant.look(at: try photo()).result
        do {
            _ = try await assistant.answer(" \u{200B}", about: regions, top: 1)
            XCTFail("no error")
        } catch {
            XCTAssertEqual(error as? UserError, UserError("the question is empty: write at least one word"))
        }
    }

    func testAPartIsNoAssistant() throws {
        assertUserError("\(Toy.part) is a part of a model: choose a whole one, such as minivlm") {
            try assistant(Toy.part)
        }
    }

    func testAnEmptyFolderOfModelsSaysHowToFillIt() throws {
        let folder = try temporaryFolder().appendingPathComponent("models")
        assertUserError(
            "no model in this app's models folder: export one and copy it over, as docs/phones-ios.md shows"
        ) { try Artifact.all(in: folder) }
    }

    func testModelsAreListedByName() throws {
        let toy = try Toy(documents: try temporaryFolder())
        XCTAssertEqual(try Artifact.all(in: toy.files.models).map(\.lastPathComponent), [Toy.part, Toy.whole])
    }

    func testAMissingMethodIsNamedWithThoseThere() throws {
        let toy = try Toy(documents: try temporaryFolder())
        let artifact = try Artifact(toy.files.models.appendingPathComponent(Toy.part))
        assertUserError("\(Toy.part) has no method 'vqa', only forward: export a model that has it") {
            try artifact.method("vqa")
        }
    }
}

import Foundation
import XCTest

@testable import MiniVLMCore

/// Layouts equal tests/fixtures/layout, which Python's `minivlm/language/layout.py` wrote.
final class LayoutTests: XCTestCase {
    private struct Content: Decodable {
        struct Text: Decodable {
            let name: String
            let layout: String
            let text: [Int]
            let tags: [Int]
            let valid: [Bool]
            let tokenIds: [[Int64]]
            let tokenTypes: [[Int64]]
            let positions: [[Int64]]
            let regions: [[[Float]]]
            let mask: [[[Float]]]
        }

        struct Caption: Decodable {
            let name: String
            let layout: String
            let tags: [Int]
            let valid: [Bool]
            let tagIds: [[Int64]]
            let regions: [[[Float]]]
            let mask: [[[Float]]]
        }

        struct Tag: Decodable {
            let classes: [Int]
            let ids: [Int]
        }

        let special: SpecialTokens
        let textLayouts: [String: TextLayout]
        let captionLayouts: [String: CaptionLayout]
        let tags: [String]
        let text: [Text]
        let caption: [Caption]
        let tag: [Tag]
    }

    private var content: Content!

    override func setUpWithError() throws {
        content = try Fixture.decode(Content.self, "layout/cases.json")
    }

    /// Row i of M regions is [i + 1, -i - 1], as the fixture's script says.
    private func vectors(_ rows: Int) -> NDArray<Float> {
        NDArray((0..<rows).flatMap { [Float($0 + 1), -Float($0 + 1)] }, shape: [rows, 2])
    }

    private func flat(_ rows: [[[Float]]]) -> NDArray<Float> {
        NDArray(rows.flatMap { $0.flatMap { $0 } }, shape: [1, rows[0].count, rows[0][0].count])
    }

    private func flat(_ rows: [[Int64]]) -> NDArray<Int64> {
        NDArray(rows.flatMap { $0 }, shape: [1, rows[0].count])
    }

    func testTextTagsAndRegionsAreLaidOutAsInPython() throws {
        XCTAssertGreaterThan(content.text.count, 8)
        for item in content.text {
            let layout = try XCTUnwrap(content.textLayouts[item.layout])
            let made = layout.arrange(
                text: item.text, tags: item.tags, vectors: vectors(item.valid.count), valid: item.valid,
                special: content.special)
            XCTAssertEqual(made.tokenIDs, flat(item.tokenIds), item.name)
            XCTAssertEqual(made.tokenTypes, flat(item.tokenTypes), item.name)
            XCTAssertEqual(made.positions, flat(item.positions), item.name)
            XCTAssertEqual(made.regions, flat(item.regions), item.name)
            XCTAssertEqual(made.mask, flat(item.mask), item.name)
        }
    }

    func testCaptionContextsAreLaidOutAsInPython() throws {
        XCTAssertGreaterThan(content.caption.count, 3)
        for item in content.caption {
            let layout = try XCTUnwrap(content.captionLayouts[item.layout])
            let made = layout.context(
                tags: item.tags, vectors: vectors(item.valid.count), valid: item.valid, special: content.special)
            XCTAssertEqual(made.tagIDs, flat(item.tagIds), item.name)
            XCTAssertEqual(made.regions, flat(item.regions), item.name)
            XCTAssertEqual(made.mask, flat(item.mask), item.name)
        }
    }

    func testTagTextNamesEachClassOnce() throws {
        let tokenizer = try WordPieceTokenizer(vocabulary: Fixture.vocabulary("vocab.txt"))
        let labels = Labels(tokenizer: tokenizer, tags: content.tags, answers: [])
        for item in content.tag {
            XCTAssertEqual(try labels.tagIDs(item.classes), item.ids, "\(item.classes)")
        }
    }

    func testAClassWithoutANameIsAMistakeOfTheLabelsFolder() throws {
        let tokenizer = try WordPieceTokenizer(vocabulary: Fixture.vocabulary("vocab_tiny.txt"))
        let labels = Labels(tokenizer: tokenizer, tags: ["dog"], answers: [])
        assertUserError("the model found class 1 and tags.txt has 1 lines: copy the right labels over") {
            try labels.tagIDs([1])
        }
    }

    /// The layouts that this app uses are those that Python exports the methods with.
    func testTheAppsLayoutsAreTheExported() throws {
        let questions = try XCTUnwrap(content.textLayouts["vqa"])
        XCTAssertEqual(TextLayout.questions.textLength, questions.textLength)
        XCTAssertEqual(TextLayout.questions.regions, questions.regions)
        let captioning = try XCTUnwrap(content.captionLayouts["captioning"])
        XCTAssertEqual(CaptionLayout.captioning.captionLength, captioning.captionLength)
        XCTAssertEqual(CaptionLayout.captioning.tagLength, captioning.tagLength)
        XCTAssertEqual(CaptionLayout.captioning.regions, captioning.regions)
    }
}

import Foundation
import XCTest

@testable import MiniVLMCore

/// Captions of recorded models equal Python's, in tests/fixtures/caption.
final class CaptionTests: XCTestCase {
    private struct Content: Decodable {
        struct Case: Decodable {
            struct Step: Decodable {
                let tokens: [Int]
                let logits: [Float]
            }

            let name: String
            let maxLength: Int
            let steps: [Step]
            let otherwise: [Float]
            let tokenIds: [Int]
            let score: Double
        }

        let special: SpecialTokens
        let layout: CaptionLayout
        let cases: [Case]
    }

    /// Tolerance 1e-5 of the score: Python adds float32 logarithms.
    func testCaptionsAndScoresEqualPythons() throws {
        let content = try Fixture.decode(Content.self, "caption/recorded.json")
        XCTAssertGreaterThan(content.cases.count, 6)
        for item in content.cases {
            let logits = Dictionary(uniqueKeysWithValues: item.steps.map { ($0.tokens, $0.logits) })
            let model = RecordedModel(layout: content.layout, logits: logits, otherwise: item.otherwise)
            let context = content.layout.context(
                tags: [5], vectors: NDArray([0, 0], shape: [1, 2]), valid: [true], special: content.special)
            let session = try CaptionSession(
                model, prefill: RecordedModel.prefill, step: RecordedModel.step, layout: content.layout,
                context: context)
            let caption = try session.greedy(special: content.special, maxLength: item.maxLength)
            XCTAssertEqual(caption.tokenIDs, item.tokenIds, "\(item.name), \(item.maxLength)")
            XCTAssertEqual(caption.score, item.score, accuracy: 1e-5 * max(1, abs(item.score)), item.name)
        }
    }

    func testTheFirstOfEqualLogitsIsTaken() {
        XCTAssertEqual(argmax([1, 3, 3, 2]), 1)
    }
}

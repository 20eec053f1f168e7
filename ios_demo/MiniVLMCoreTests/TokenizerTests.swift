import Foundation
import XCTest

@testable import MiniVLMCore

/// Token ids are BERT's: equal to tests/fixtures/tokenizer, which the Python tests hold against `transformers`.
final class TokenizerTests: XCTestCase {
    private struct Case: Decodable {
        let name: String
        let text: String
        let ids: [String: [Int]]
        let decoded: [String: String]
    }

    /// The fixture has one case a line. Swift has no text with half a surrogate pair in it, so that case is left out.
    private func cases() throws -> [Case] {
        let lines = try String(contentsOf: Fixture.url("tokenizer/texts.json"), encoding: .utf8).split(separator: "\n")
        return try lines.filter { $0.hasPrefix("{\"name\"") && !$0.contains("half a surrogate pair") }.map {
            let json = $0.hasSuffix(",") ? $0.dropLast() : $0
            // Not `convertFromSnakeCase`, which would rename the keys of the dictionaries, too.
            return try JSONDecoder().decode(Case.self, from: Data(json.utf8))
        }
    }

    private func check(_ body: (WordPieceTokenizer, Case, String) -> Void) throws {
        let cases = try cases()
        XCTAssertGreaterThan(cases.count, 90)
        for name in ["vocab.txt", "vocab_tiny.txt"] {
            let tokenizer = try WordPieceTokenizer(vocabulary: Fixture.vocabulary(name))
            for item in cases where item.ids[name] != nil {
                body(tokenizer, item, name)
            }
        }
    }

    func testHardTextsAndEveryScriptHaveEqualIDs() throws {
        try check { tokenizer, item, name in
            XCTAssertEqual(tokenizer.encode(item.text), item.ids[name], "\(item.name), \(name)")
        }
    }

    /// Scalar by scalar: two `String`s are equal when they only look alike.
    func testIDsBecomeTheSameText() throws {
        try check { tokenizer, item, name in
            let decoded = tokenizer.decode(item.ids[name] ?? [])
            XCTAssertEqual(
                Array(decoded.unicodeScalars), item.decoded[name].map { Array($0.unicodeScalars) },
                "\(item.name), \(name)")
        }
    }

    /// Ids published with bert-base-uncased.
    func testTheVocabularyIsBERTs() throws {
        let tokenizer = try WordPieceTokenizer(vocabulary: Fixture.vocabulary("vocab.txt"))
        XCTAssertEqual(tokenizer.count, 30522)
        XCTAssertEqual(tokenizer.special, SpecialTokens(pad: 0, unk: 100, cls: 101, sep: 102, mask: 103))
        XCTAssertEqual(tokenizer.encode("hello world"), [7592, 2088])
    }

    func testSpecialTokensCannotBeSmuggledIn() throws {
        let tokenizer = try WordPieceTokenizer(vocabulary: Fixture.vocabulary("vocab.txt"))
        XCTAssertTrue(tokenizer.special.all.isDisjoint(with: tokenizer.encode("[CLS] [SEP] [MASK] [PAD]")))
    }

    // MARK: Vocabularies that are none

    private func vocabulary(_ bytes: [UInt8]) throws -> WordPieceTokenizer {
        let file = try temporaryFolder().appendingPathComponent("vocab.txt")
        try Data(bytes).write(to: file)
        return try WordPieceTokenizer(vocabulary: file)
    }

    func testWindowsLineEndsAreRead() throws {
        let tokenizer = try vocabulary(Array("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\ndog\r\n".utf8))
        XCTAssertEqual(tokenizer.encode("Dog"), [5])
        XCTAssertEqual(tokenizer.count, 6)
    }

    func testATokenTwiceIsRefused() {
        assertUserError("vocab.txt holds 'dog' on lines 2 and 4; every token must have one id") {
            try vocabulary(Array("[PAD]\ndog\ncat\ndog\n".utf8))
        }
    }

    func testTokensThatOnlyLookAlikeAreTwoTokens() throws {
        let tokenizer = try vocabulary(Array("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\u{E9}\ne\u{301}\n".utf8))
        XCTAssertEqual(tokenizer.count, 7)
    }

    func testAMissingSpecialTokenIsNamed() {
        assertUserError("vocab.txt lacks [CLS]; give a BERT vocab.txt, which has it") {
            try vocabulary(Array("[PAD]\n[UNK]\n[SEP]\n[MASK]\n".utf8))
        }
    }

    func testOtherEncodingsAreRefused() {
        assertUserError("vocab.txt is not UTF-8; save it as UTF-8") { try vocabulary([0x61, 0x0A, 0xFF]) }
    }

    func testNoSuchFile() {
        assertUserError("cannot read vocab.txt: put a BERT vocab.txt there") {
            try WordPieceTokenizer(vocabulary: URL(fileURLWithPath: "/nowhere/vocab.txt"))
        }
    }
}

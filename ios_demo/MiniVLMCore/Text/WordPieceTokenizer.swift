import Foundation

/// BERT's uncased WordPiece tokenizer (Wu et al. 2016), equal to `minivlm/language/tokenizer.py`.
///
/// Text is data: the characters "[SEP]" in it are a bracket, a word and a bracket, never the special token.
public struct WordPieceTokenizer: Sendable {
    private let vocabulary: Vocabulary

    /// - Parameter vocabulary: A vocab.txt in UTF-8.
    /// - Throws: `UserError`: no such file, not UTF-8, a token twice, or a special token missing.
    public init(vocabulary: URL) throws {
        self.vocabulary = try Vocabulary(contentsOf: vocabulary)
    }

    public var special: SpecialTokens { vocabulary.special }

    public var count: Int { vocabulary.tokens.count }

    /// The ids of a text of any length, without special tokens around them.
    public func encode(_ text: String) -> [Int] {
        BasicTokenizer.words(text).flatMap(pieces)
    }

    /// Readable text: special tokens left out, pieces joined, no space before punctuation.
    public func decode(_ ids: [Int]) -> String {
        let hidden = special.all
        let spaced = ids.filter { !hidden.contains($0) }.map { vocabulary.tokens[$0] }.joined(separator: " ")
        return Self.cleanUp.reduce(spaced) { text, rule in
            text.replacingOccurrences(of: rule.spaced, with: rule.joined, options: .literal)
        }
    }

    /// Readable text of a sentence that goes on: without its last word, which the next token may extend.
    func decodeWords(_ ids: [Int]) -> String {
        let text = decode(ids)
        return text.lastIndex(of: " ").map { String(text[..<$0]) } ?? ""
    }

    /// Greedy longest match from the left.
    private func pieces(of word: [Unicode.Scalar]) -> [Int] {
        guard word.count <= Self.longestWord else { return [special.unk] }
        let letters = word.map { Array(String($0).utf8) }
        var found: [Int] = []
        var start = 0
        while start < letters.count {
            let prefix: [UInt8] = start == 0 ? [] : Array("##".utf8)
            let ends = stride(from: letters.count, to: start, by: -1)
            let piece = ends.lazy.compactMap { end in
                vocabulary[prefix + letters[start..<end].joined()].map { (id: $0, end: end) }
            }.first
            guard let piece else { return [special.unk] }
            found.append(piece.id)
            start = piece.end
        }
        return found
    }

    /// Characters of a word beyond which it becomes [UNK], as in BERT.
    private static let longestWord = 100

    /// What BERT's detokenization joins again, in this order; the list of `transformers` behind the joining of pieces.
    private static let cleanUp: [(spaced: String, joined: String)] = [
        (" ##", ""), (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ]
}

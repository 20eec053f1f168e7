import Foundation

/// BERT's uncased normalisation and its splitting into words (google-research/bert `tokenization.py`).
enum BasicTokenizer {
    /// Words and single punctuation marks, lower case and without accents.
    static func words(_ text: String) -> [[Unicode.Scalar]] {
        var words: [[Unicode.Scalar]] = []
        var word: [Unicode.Scalar] = []
        func finish() {
            if !word.isEmpty { words.append(word) }
            word = []
        }
        for scalar in normalised(text) {
            if scalar.properties.isWhitespace {
                finish()
            } else if isPunctuation(scalar) {
                finish()
                words.append([scalar])
            } else {
                word.append(scalar)
            }
        }
        finish()
        return words
    }

    private static func normalised(_ text: String) -> [Unicode.Scalar] {
        var kept = String.UnicodeScalarView()
        for scalar in text.unicodeScalars where !isControl(scalar) {
            if isIdeograph(scalar) {
                kept.append(contentsOf: [" ", scalar, " "])
            } else {
                kept.append(scalar)
            }
        }
        // Letter by letter, without context: a final Greek sigma stays the letter it is in the vocabulary.
        return String(kept).decomposedStringWithCanonicalMapping.unicodeScalars
            .filter { $0.properties.generalCategory != .nonspacingMark }
            .flatMap { Array($0.properties.lowercaseMapping.unicodeScalars) }
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\t", "\n", "\r": return false
        case "\u{FFFD}": return true
        default: break
        }
        switch scalar.properties.generalCategory {
        case .control, .format, .privateUse, .surrogate: return true
        default: return false
        }
    }

    private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return (33...47).contains(scalar.value) || isASCIISymbol(scalar) }
        switch scalar.properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            return true
        default:
            return false
        }
    }

    /// What stands between digits, capitals and small letters: punctuation to BERT, whatever Unicode calls it.
    private static func isASCIISymbol(_ scalar: Unicode.Scalar) -> Bool {
        [58...64, 91...96, 123...126].contains { $0.contains(scalar.value) }
    }

    /// The blocks that BERT calls Chinese: no Hangul, no kana.
    private static func isIdeograph(_ scalar: Unicode.Scalar) -> Bool {
        ideographs.contains { $0.contains(scalar.value) }
    }

    /// The `tokenizers` library, which Python uses, begins extension E at 2B920 instead of 2B820; so does this.
    private static let ideographs: [ClosedRange<UInt32>] = [
        0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F, 0x2B920...0x2CEAF,
        0xF900...0xFAFF, 0x2F800...0x2FA1F,
    ]
}

import Foundation

/// Ids of BERT's special tokens.
public struct SpecialTokens: Sendable, Equatable, Decodable {
    public let pad: Int
    public let unk: Int
    public let cls: Int
    public let sep: Int
    public let mask: Int

    /// All of them: none is text.
    var all: Set<Int> { [pad, unk, cls, sep, mask] }
}

/// A vocab.txt: one token a line, whose id is its line number from 0.
struct Vocabulary: Sendable {
    let tokens: [String]
    let special: SpecialTokens
    /// By UTF-8, because two `String`s are equal when they only look alike, and tokens are not.
    private let ids: [[UInt8]: Int]

    /// - Throws: `UserError`: no such file, not UTF-8, a token twice, or a special token missing.
    init(contentsOf file: URL) throws {
        let name = file.lastPathComponent
        let lines = try readLines(file, meaning: "a BERT vocab.txt")
        var ids: [[UInt8]: Int] = [:]
        for (line, token) in lines.enumerated() {
            if let earlier = ids.updateValue(line, forKey: Array(token.utf8)) {
                throw UserError(
                    "\(name) holds '\(token)' on lines \(earlier + 1) and \(line + 1); every token must have one id")
            }
        }
        func id(_ token: String) throws -> Int {
            guard let id = ids[Array(token.utf8)] else {
                throw UserError("\(name) lacks \(token); give a BERT vocab.txt, which has it")
            }
            return id
        }
        special = SpecialTokens(
            pad: try id("[PAD]"), unk: try id("[UNK]"), cls: try id("[CLS]"), sep: try id("[SEP]"),
            mask: try id("[MASK]"))
        tokens = lines
        self.ids = ids
    }

    subscript(token: [UInt8]) -> Int? { ids[token] }
}

/// The lines of a text file; as in Python, Windows' and old Macs' line ends are line ends, too.
func readLines(_ file: URL, meaning: String) throws -> [String] {
    guard let data = try? Data(contentsOf: file) else {
        throw UserError("cannot read \(file.lastPathComponent): put \(meaning) there")
    }
    guard let text = String(bytes: data, encoding: .utf8) else {
        throw UserError("\(file.lastPathComponent) is not UTF-8; save it as UTF-8")
    }
    // Scalar by scalar: as a Character, "\r\n" is one and equals neither of the two.
    var lines: [String] = []
    var line = String.UnicodeScalarView()
    var afterReturn = false
    for scalar in text.unicodeScalars {
        if scalar == "\n" && afterReturn {
            afterReturn = false
        } else if scalar == "\n" || scalar == "\r" {
            lines.append(String(line))
            line = String.UnicodeScalarView()
            afterReturn = scalar == "\r"
        } else {
            line.append(scalar)
            afterReturn = false
        }
    }
    return line.isEmpty && !lines.isEmpty ? lines : lines + [String(line)]
}

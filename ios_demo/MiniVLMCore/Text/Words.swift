import Foundation

/// What the ids that a model takes and gives stand for: the three text files beside its artifact.
public struct Words: Sendable {
    public let tokenizer: WordPieceTokenizer
    /// Names of the detector's classes, without the background.
    public let tags: [String]
    /// Of the head "vqa"; empty where the model has none.
    public let answers: [String]

    /// Reads vocab.txt, tags.txt and, where there is one, answers.txt.
    ///
    /// - Throws: `UserError`: a file is missing, not UTF-8, or no vocabulary.
    public init(folder: URL) throws {
        tokenizer = try WordPieceTokenizer(vocabulary: folder.appendingPathComponent("vocab.txt"))
        tags = try readLines(folder.appendingPathComponent("tags.txt"), meaning: "the names of the detector's classes")
        let file = folder.appendingPathComponent("answers.txt")
        let hasAnswers = FileManager.default.fileExists(atPath: file.path)
        answers = hasAnswers ? try readLines(file, meaning: "the answers of the head vqa") : []
    }

    public init(tokenizer: WordPieceTokenizer, tags: [String], answers: [String]) {
        self.tokenizer = tokenizer
        self.tags = tags
        self.answers = answers
    }

    /// The token ids of Oscar's tag text: distinct names in the given order, separated by spaces.
    ///
    /// - Parameter classes: Ids of the valid regions' classes, best first.
    /// - Throws: `UserError`: an id that no line of tags.txt stands for.
    public func tagIDs(_ classes: [Int]) throws -> [Int] {
        var seen: Set<[UInt8]> = []  // by UTF-8, as `Vocabulary` has it
        let names = try classes.map(tagName).filter { seen.insert(Array($0.utf8)).inserted }
        return tokenizer.encode(names.joined(separator: " "))
    }

    /// - Throws: `UserError`: an id that no line of tags.txt stands for.
    public func tagName(_ id: Int) throws -> String {
        guard tags.indices.contains(id) else {
            throw UserError(
                "the model found class \(id) and tags.txt has \(tags.count) lines: copy the right words over")
        }
        return tags[id]
    }
}

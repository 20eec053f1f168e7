import Foundation

/// What the ids that a model takes and gives stand for: the text files beside its artifact.
public struct Labels: Sendable {
    public let tokenizer: WordPieceTokenizer
    /// Names of the detector's classes, without the background.
    public let tags: [String]
    /// Of the head "vqa"; empty where the model has none.
    public let answers: [String]
    /// Names of what regions are like, without "no attribute"; empty where nobody has named them.
    public let attributes: [String]

    /// Reads vocab.txt, tags.txt and, where they are there, answers.txt and attributes.txt.
    ///
    /// - Throws: `UserError`: a file is missing, not UTF-8, or no vocabulary.
    public init(folder: URL) throws {
        tokenizer = try WordPieceTokenizer(vocabulary: folder.appendingPathComponent("vocab.txt"))
        tags = try readLines(folder.appendingPathComponent("tags.txt"), meaning: "the names of the detector's classes")
        answers = try lines(of: "answers.txt", in: folder, meaning: "the answers of the head vqa")
        attributes = try lines(of: "attributes.txt", in: folder, meaning: "the names of the detector's attributes")
    }

    public init(tokenizer: WordPieceTokenizer, tags: [String], answers: [String], attributes: [String] = []) {
        self.tokenizer = tokenizer
        self.tags = tags
        self.answers = answers
        self.attributes = attributes
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
                "the model found class \(id) and tags.txt has \(tags.count) lines: copy the right labels over")
        }
        return tags[id]
    }

    /// The name of an attribute, which is on line `id` from 1; nil for no attribute, and without names.
    ///
    /// - Throws: `UserError`: an id that no line of attributes.txt stands for.
    public func attributeName(_ id: Int) throws -> String? {
        if id == 0 || attributes.isEmpty { return nil }
        guard attributes.indices.contains(id - 1) else {
            throw UserError(
                "the model found attribute \(id) and attributes.txt has \(attributes.count) lines: "
                    + "copy the right labels over")
        }
        return attributes[id - 1]
    }
}

/// The lines of a file that may be missing; none then.
private func lines(of name: String, in folder: URL, meaning: String) throws -> [String] {
    let file = folder.appendingPathComponent(name)
    return FileManager.default.fileExists(atPath: file.path) ? try readLines(file, meaning: meaning) : []
}

import Foundation

/// Where the host puts things and finds things: the folders of docs/phones-ios.md within Documents.
public struct BenchmarkFiles: Sendable {
    public let documents: URL

    public init(documents: URL) {
        self.documents = documents
    }

    public var models: URL { documents.appendingPathComponent("models") }
    public var inputs: URL { documents.appendingPathComponent("inputs") }
    public var results: URL { documents.appendingPathComponent("results") }

    /// What the app and its libraries wrote since the last launch, for the host to read when the app is gone.
    public var log: URL { results.appendingPathComponent("log.txt") }

    /// Makes the folders that the host copies into.
    public func makeFolders() throws {
        for folder in [models, inputs, results] {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        }
    }

    /// Adds a line to a file of records and waits until it is on disk.
    func append(_ record: Record, to name: String) throws {
        try FileManager.default.createDirectory(at: results, withIntermediateDirectories: true)
        let file = results.appendingPathComponent(name)
        if !FileManager.default.fileExists(atPath: file.path) {
            try Data().write(to: file)
        }
        let handle = try FileHandle(forUpdating: file)
        defer { try? handle.close() }
        // What an interrupted write left must not swallow this record.
        let end = try handle.seekToEnd()
        var line = Data()
        if end > 0 {
            try handle.seek(toOffset: end - 1)
            if try handle.read(upToCount: 1) != Data("\n".utf8) { line += Data("\n".utf8) }
        }
        line += Data((try record.json() + "\n").utf8)
        try handle.write(contentsOf: line)
        try handle.synchronize()
    }
}

/// How far a launch is; the host polls it.
struct BenchmarkStatus: Codable, Equatable {
    enum State: String, Codable {
        case running, finished, failed
    }

    enum Step: String, Codable {
        case starting, loading, measuring, verifying, writing
        case coolingDown = "cooling down"
        case warmingUp = "warming up"
    }

    var format = 1
    let run: String
    let round: Int
    let artifact: String
    let state: State
    let step: Step
    let message: String?
    let time: String

    private enum CodingKeys: String, CodingKey {
        case format, run, round, artifact, state, step, message, time
    }

    func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(format, forKey: .format)
        try container.encode(run, forKey: .run)
        try container.encode(round, forKey: .round)
        try container.encode(artifact, forKey: .artifact)
        try container.encode(state, forKey: .state)
        try container.encode(step, forKey: .step)
        try container.encode(message, forKey: .message)  // null where there is none: readers find every key
        try container.encode(time, forKey: .time)
    }
}

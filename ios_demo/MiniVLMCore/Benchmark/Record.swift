import Foundation

/// One repeat of one case: the schema of `bench/records/record.py`, format 2.
///
/// Left out is what the host knows better and fills in: counts, the machine's rates, how exact the artifact is.
public struct Record: Sendable, Equatable, Codable {
    public enum Status: String, Sendable, Codable {
        case ok, failed
    }

    /// Why there are no samples.
    public struct Failure: Sendable, Equatable, Codable {
        public let reason: String

        private enum CodingKeys: String, CodingKey {
            case exit, reason
        }

        public init(reason: String) {
            self.reason = reason
        }

        public init(from decoder: Decoder) throws {
            reason = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .reason)
        }

        public func encode(to encoder: Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encodeNil(forKey: .exit)  // the process lives, and tells why itself
            try container.encode(reason, forKey: .reason)
        }
    }

    public struct Memory: Sendable, Equatable, Codable {
        /// Most that was seen, from before the model was loaded to the last run.
        public let peakBytes: Int
        /// Before the model was loaded.
        public let baselineBytes: Int
    }

    public struct ArtifactFile: Sendable, Equatable, Codable {
        public let name: String
        public let bytes: Int
        public let sha256: String
    }

    public var format = 2
    public let run: String
    public let round: Int
    public var status: Status
    public var error: Failure?
    public var device = "ios"
    public let model: String
    public let runtime: String
    public let precision: String
    /// Core ML's compute units, such as "cpu-and-ne"; left out where it does not run, which is on the CPU.
    public var accelerator: String?
    public var threads: Int?
    public let threadsAsked: Int
    public var unit = "ms"
    public var samples: [String: [Double]] = [:]
    /// How many tokens the stage "steps" writes.
    public var tokens: Int?
    public var loadMs: Double?
    public var firstMs: Double?
    public var memory: Memory?
    public let artifact: ArtifactFile
    public var inputs: [String: [Int]]
    public let photo: [String: String]
    public let weights: String
    public var environment: [String: JSONValue]
    public let profile: String
    public var disturbed: [String] = []
    /// Seconds since the start and milliseconds of every second of a long measurement.
    public var sustained: [[Double]]?
    public let time: String

    /// The record as one line, without the line's end.
    public func json() throws -> String {
        String(decoding: try JSONCoding.encoder.encode(self), as: UTF8.self)
    }
}

/// Any value of JSON.
public enum JSONValue: Sendable, Equatable, Codable {
    case null
    case bool(Bool)
    case int(Int)
    case number(Double)
    case text(String)
    case list([JSONValue])
    case object([String: JSONValue])

    public init(from decoder: Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int.self) {
            self = .int(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .list(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .int(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        case .list(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}

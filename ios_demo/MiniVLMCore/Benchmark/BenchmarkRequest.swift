/// What to measure: the launch arguments of docs/phones-ios.md.
public struct BenchmarkRequest: Sendable, Equatable {
    /// Which of the processor's units Core ML may use, as records name them in "accelerator".
    public enum ComputeUnits: String, Sendable, CaseIterable {
        case all
        case cpu
        case cpuGPU = "cpu-and-gpu"
        case cpuANE = "cpu-and-ne"
    }

    public let run: String
    public let round: Int
    public let artifact: String
    public let photo: String?
    public let profile: String
    public let warmup: StopRule
    public let steady: StopRule
    public let threads: Int
    public let computeUnits: ComputeUnits
    /// Seconds.
    public let coolDown: Double
    /// Whether latency and thermal state over time belong into the record.
    public let sustained: Bool
    public let verify: Bool
    public let output: String

    /// The argument that asks for a benchmark instead of the screen.
    public static let flag = "--benchmark"

    /// - Parameter arguments: Of the process; what stands before `flag` belongs to the system.
    /// - Throws: `UserError`: an argument is unknown, missing, twice, or has a value that it cannot have.
    public init(arguments: [String]) throws {
        let own = arguments.drop { $0 != Self.flag }.dropFirst()
        var values = try ArgumentValues(Array(own))
        run = try values.text("run")
        round = try values.number("round", 0, atLeast: 0)
        artifact = try values.fileName("artifact")
        photo = try values.optionalFileName("photo")
        profile = try values.text("profile")
        warmup = try values.stopRule(prefix: "warmup-")
        steady = try values.stopRule(prefix: "")
        threads = try values.number("threads", 0, atLeast: 0)
        computeUnits = try values.choice("compute-units", .all)
        coolDown = try values.seconds("cool-down", 180)
        sustained = try values.choice("sustained", YesNo.no) == .yes
        verify = try values.choice("verify", YesNo.no) == .yes
        output = try values.optionalFileName("output") ?? "records.jsonl"
        try values.finish()
    }

    private enum YesNo: String, CaseIterable {
        case yes, no
    }
}

/// "--name value" pairs that are taken one after another.
private struct ArgumentValues {
    private var values: [String: String] = [:]

    init(_ arguments: [String]) throws {
        for start in stride(from: 0, to: arguments.count, by: 2) {
            let name = arguments[start]
            guard name.hasPrefix("--") else {
                throw UserError("argument '\(name)': a name such as --artifact goes first")
            }
            guard start + 1 < arguments.count else {
                throw UserError("argument \(name) has no value: give one behind it")
            }
            guard values.updateValue(arguments[start + 1], forKey: String(name.dropFirst(2))) == nil else {
                throw UserError("argument \(name) stands there twice: leave one out")
            }
        }
    }

    mutating func text(_ name: String) throws -> String {
        guard let value = values.removeValue(forKey: name), !value.isEmpty else {
            throw UserError("argument --\(name) is missing: give it with a value")
        }
        return value
    }

    mutating func fileName(_ name: String) throws -> String {
        let value = try text(name)
        guard !value.contains("/"), ![".", ".."].contains(value) else {
            throw UserError("--\(name) \(value): give a plain file name, without a folder")
        }
        return value
    }

    mutating func optionalFileName(_ name: String) throws -> String? {
        values[name] == nil ? nil : try fileName(name)
    }

    mutating func number(_ name: String, _ fallback: Int? = nil, atLeast least: Int) throws -> Int {
        if let fallback, values[name] == nil { return fallback }
        let text = try text(name)
        guard let value = Int(text), value >= least else {
            throw UserError("--\(name) \(text): give a whole number from \(least) up")
        }
        return value
    }

    mutating func seconds(_ name: String, _ fallback: Double? = nil) throws -> Double {
        if let fallback, values[name] == nil { return fallback }
        let text = try text(name)
        guard let value = Double(text), value >= 0 else {
            throw UserError("--\(name) \(text): give seconds, 0 or more")
        }
        return value
    }

    mutating func choice<Choice>(_ name: String, _ fallback: Choice) throws -> Choice
    where Choice: RawRepresentable & CaseIterable, Choice.RawValue == String {
        guard values[name] != nil else { return fallback }
        let text = try text(name)
        guard let value = Choice(rawValue: text) else {
            let all = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw UserError("--\(name) \(text): give one of \(all)")
        }
        return value
    }

    mutating func stopRule(prefix: String) throws -> StopRule {
        StopRule(
            runs: try number(prefix + "runs", atLeast: prefix.isEmpty ? 1 : 0),
            seconds: try seconds(prefix + "seconds"),
            cap: try seconds(prefix + "cap", .infinity),
            least: try number(prefix + "least", 1, atLeast: 1))
    }

    /// - Throws: `UserError` when something was not asked for.
    func finish() throws {
        if let name = values.keys.sorted().first {
            throw UserError("unknown argument --\(name): docs/phones-ios.md lists those there are")
        }
    }
}

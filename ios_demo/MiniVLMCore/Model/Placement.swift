/// Where a runtime means to run the operations of a method: it plans that when it loads, and does not tell afterwards.
public struct Placement: Sendable, Equatable {
    /// A kind of processor.
    public enum Unit: String, Sendable, CaseIterable {
        case ne, gpu, cpu

        /// For people.
        public var title: String {
            switch self {
            case .ne: "Neural Engine"
            case .gpu: "GPU"
            case .cpu: "CPU"
            }
        }
    }

    /// How many operations each unit has; those that have none are left out.
    public let operations: [Unit: Int]

    public init(_ units: [Unit]) {
        operations = Dictionary(units.map { ($0, 1) }, uniquingKeysWith: +)
    }

    /// The units, the one with most operations first: "Neural Engine and CPU". nil where nothing is planned.
    public var text: String? {
        let used = Unit.allCases.filter { operations[$0] != nil }
        let sorted = used.sorted { operations[$0, default: 0] > operations[$1, default: 0] }
        return sorted.isEmpty ? nil : sorted.map(\.title).joined(separator: " and ")
    }

    /// For records: number of operations by unit.
    public var json: JSONValue {
        .object(Dictionary(uniqueKeysWithValues: operations.map { ($0.rawValue, .int($1)) }))
    }
}

/// Where each method runs, by its name; empty where nobody tells.
public typealias Placements = [String: Placement]

extension Sidecar {
    /// Where the methods run when a runtime was told at export and plans nothing: ExecuTorch's.
    ///
    /// - Returns: nil where the device has to be asked.
    public var knownPlacements: Placements? {
        guard target == "executorch" else { return nil }
        return Dictionary(methods.map { ($0.name, Placement([.cpu])) }, uniquingKeysWith: { first, _ in first })
    }
}

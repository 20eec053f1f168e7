/// A model on something that is to run it.
public struct Attempt: Sendable {
    public let artifact: Artifact
    public let accelerator: Accelerator

    public init(_ artifact: Artifact, on accelerator: Accelerator) {
        self.artifact = artifact
        self.accelerator = accelerator
    }

    /// What to take where this cannot be set up: the CPU, with the same file or with another of the same model and
    /// weights, those of the same precision first. Nothing where this is on the CPU already.
    ///
    /// - Parameter models: Those that there are.
    public func instead(among models: [Artifact]) -> [Attempt] {
        guard accelerator.computeUnits != .cpu else { return [] }
        let alike = models.filter {
            $0.sidecar.model == artifact.sidecar.model
                && $0.sidecar.weights.description == artifact.sidecar.weights.description
        }
        let same = alike.filter { $0.sidecar.precision == artifact.sidecar.precision }
        let others = alike.filter { $0.sidecar.precision != artifact.sidecar.precision }
        let ordered = [artifact] + (same + others).filter { $0.name != artifact.name }
        return ordered.compactMap { other in
            Accelerator.choices(for: other.sidecar).first { $0.computeUnits == .cpu }.map { Attempt(other, on: $0) }
        }
    }
}

/// What was opened, and why it is not what was wanted.
public struct Opened<Value: Sendable>: Sendable {
    public let value: Value
    public let attempt: Attempt
    /// nil where it is.
    public let notice: String?
}

/// Opens what is wanted; where its accelerator cannot be set up, the first of the others that opens.
///
/// - Throws: What the wanted one throws, when none opens.
public func openWithFallback<Value: Sendable>(
    _ wanted: Attempt, instead: [Attempt], isolation: isolated (any Actor)? = #isolation,
    open: (Attempt) async throws -> Value
) async throws -> Opened<Value> {
    do {
        return Opened(value: try await open(wanted), attempt: wanted, notice: nil)
    } catch {
        for attempt in instead {
            guard let value = try? await open(attempt) else { continue }
            let notice =
                "\(wanted.accelerator.title) cannot be set up: \(describe(error)). "
                + "\(attempt.accelerator.title) runs \(attempt.artifact.name) instead."
            return Opened(value: value, attempt: attempt, notice: notice)
        }
        throw error
    }
}

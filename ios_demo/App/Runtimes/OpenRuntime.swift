import MiniVLMCore

/// Makes the runtime that an artifact's suffix asks for.
///
/// - Throws: `UserError` when it cannot be loaded.
func openRuntime(
    _ artifact: Artifact, computeUnits: BenchmarkRequest.ComputeUnits
) async throws -> sending any ModelRuntime {
    if artifact.file.pathExtension == "mlpackage" {
        return try await CoreMLRuntime(artifact, computeUnits: .init(computeUnits))
    }
    return try ExecuTorchRuntime(artifact)
}

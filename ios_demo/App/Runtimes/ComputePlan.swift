import CoreML
import MiniVLMCore

/// Asks where the methods of an open artifact run. Core ML is asked for its plan, which takes as long as loading.
///
/// - Returns: Nothing of what nobody tells: within ExecuTorch, Core ML's plan cannot be asked for.
func placements(_ artifact: Artifact, computeUnits: BenchmarkRequest.ComputeUnits) async -> Placements {
    if let known = artifact.sidecar.knownPlacements { return known }
    guard artifact.sidecar.runtime == "coreml" else { return [:] }
    var found: Placements = [:]
    for method in artifact.sidecar.methods.map(\.name) {
        found[method] = await placement(of: method, artifact, MLComputeUnits(computeUnits))
    }
    return found
}

/// The plan of one method; nil where Core ML does not tell.
private func placement(of method: String, _ artifact: Artifact, _ computeUnits: MLComputeUnits) async -> Placement? {
    let configuration = CoreMLRuntime.configuration(method, of: artifact, computeUnits)
    guard let plan = try? await MLComputePlan.load(contentsOf: CoreMLRuntime.place, configuration: configuration),
        case .program(let program) = plan.modelStructure,
        let function = program.functions[method] ?? program.functions["main"]
    else { return nil }
    return Placement(units(of: function.block, in: plan))
}

/// The unit of every operation that has one, those of loops and branches included; constants have none.
private func units(of block: MLModelStructure.Program.Block, in plan: MLComputePlan) -> [Placement.Unit] {
    block.operations.flatMap { operation in
        let own = plan.deviceUsage(for: operation).flatMap { unit($0.preferred) }
        return (own.map { [$0] } ?? []) + operation.blocks.flatMap { units(of: $0, in: plan) }
    }
}

/// Later systems may know other devices.
private func unit(_ device: MLComputeDevice) -> Placement.Unit? {
    if case .neuralEngine = device { return .ne }
    if case .gpu = device { return .gpu }
    if case .cpu = device { return .cpu }
    return nil
}

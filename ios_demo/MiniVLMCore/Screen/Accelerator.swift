import Foundation

/// What a model can be run on, as the screen offers it.
public struct Accelerator: Sendable, Hashable, Identifiable {
    /// Stable, for the picker.
    public let id: String
    public let title: String
    /// Of the artifacts that it runs: `Sidecar.target`.
    public let target: String
    /// What the runtime is opened with, and what records name.
    public let computeUnits: BenchmarkRequest.ComputeUnits

    /// All there are, the preferred one of each runtime first. A new one needs a line here and a runtime that knows it.
    public static let all = [
        Accelerator(id: "xnnpack", title: "CPU (XNNPACK)", target: "executorch", computeUnits: .cpu),
        // An export lets ExecuTorch's Core ML delegate use all units, and nothing here can change that.
        Accelerator(
            id: "executorch-coreml", title: "Core ML decides (ExecuTorch)", target: "executorch-coreml",
            computeUnits: .all),
        Accelerator(id: "coreml-all", title: "Core ML decides", target: "coreml", computeUnits: .all),
        Accelerator(id: "coreml-ane", title: "CPU and Neural Engine", target: "coreml", computeUnits: .cpuANE),
        Accelerator(id: "coreml-gpu", title: "CPU and GPU", target: "coreml", computeUnits: .cpuGPU),
        Accelerator(id: "coreml-cpu", title: "CPU (Core ML)", target: "coreml", computeUnits: .cpu),
    ]

    /// Those that can run an artifact: what it was exported for decides.
    public static func choices(for sidecar: Sidecar) -> [Accelerator] {
        all.filter { $0.target == sidecar.target }
    }

    /// The one to open an artifact with: what was chosen before where that can run it, or else the preferred one.
    ///
    /// - Throws: `UserError`: the artifact is for a runtime that this app does not have.
    public static func fitting(_ artifact: Artifact, wanted: Accelerator?) throws -> Accelerator {
        let choices = choices(for: artifact.sidecar)
        guard let first = choices.first else {
            throw UserError(
                "\(artifact.name) is for the runtime \(artifact.sidecar.target), which this app does not have: "
                    + "export it for executorch or coreml")
        }
        return wanted.flatMap { choices.contains($0) ? $0 : nil } ?? first
    }

    /// The one that runs an artifact with these units, for a measurement: where the export decided, that.
    ///
    /// - Throws: `UserError`: the artifact is for a runtime that this app does not have.
    public static func measured(
        _ artifact: Artifact, with units: BenchmarkRequest.ComputeUnits
    ) throws -> Accelerator {
        let choices = choices(for: artifact.sidecar)
        return try choices.first { $0.computeUnits == units } ?? fitting(artifact, wanted: nil)
    }
}

/// A model in the app's folder, as the screen offers it.
public struct ModelChoice: Sendable, Hashable, Identifiable {
    public let artifact: String
    /// Such as "minivlm, executorch, fp32".
    public let title: String

    public var id: String { artifact }

    /// The whole models among some artifacts; one that is damaged hides no other.
    ///
    /// - Returns: Those that can be chosen, and one line for each that cannot be read. Parts are neither.
    public static func among(_ artifacts: [URL]) -> (choices: [ModelChoice], faults: [String]) {
        var (choices, faults): ([ModelChoice], [String]) = ([], [])
        for file in artifacts {
            do {
                let sidecar = try Artifact(file).sidecar
                guard sidecar.isWhole else { continue }
                let title = "\(sidecar.model), \(sidecar.runtime), \(sidecar.precision)"
                choices.append(ModelChoice(artifact: file.lastPathComponent, title: title))
            } catch {
                faults.append(describe(error))
            }
        }
        return (choices, faults)
    }
}

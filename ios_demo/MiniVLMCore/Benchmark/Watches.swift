/// The most memory that was seen.
final class MemoryWatch {
    private let platform: any BenchmarkPlatform
    private let baseline: Int
    private var peak: Int

    init(_ platform: any BenchmarkPlatform) {
        self.platform = platform
        baseline = platform.footprint()
        peak = baseline
    }

    func look() {
        peak = max(peak, platform.footprint())
    }

    var metrics: Record.Memory {
        Record.Memory(peakBytes: peak, baselineBytes: baseline)
    }
}

/// How the thermal state changes while a model runs on and on.
final class ThermalHistory {
    private let platform: any BenchmarkPlatform
    private var asked = -Double.infinity
    /// Seconds since the start and the state from then on: the first that was seen, and every change.
    private(set) var changes: [(seconds: Double, state: ThermalState)] = []

    init(_ platform: any BenchmarkPlatform) {
        self.platform = platform
    }

    /// Looks, unless it did so within this second: asking the system takes time of its own.
    func look(_ seconds: Double) {
        guard seconds - asked >= 1 else { return }
        asked = seconds
        let state = platform.thermalState()
        if state != changes.last?.state { changes.append((seconds, state)) }
    }

    /// [[seconds, state], ...]
    var json: JSONValue {
        .list(changes.map { .list([.number($0.seconds), .text($0.state.rawValue)]) })
    }
}

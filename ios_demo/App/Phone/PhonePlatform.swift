import CryptoKit
import Darwin
import Foundation
import MiniVLMCore
import UIKit

/// This phone, as a benchmark asks for it.
struct PhonePlatform: BenchmarkPlatform {
    func open(_ artifact: Artifact, computeUnits: BenchmarkRequest.ComputeUnits) async throws -> any ModelRuntime {
        try await openRuntime(artifact, computeUnits: computeUnits)
    }

    func placements(_ artifact: Artifact, computeUnits: BenchmarkRequest.ComputeUnits) async -> Placements {
        await MiniVLM.placements(artifact, computeUnits: computeUnits)
    }

    func photo(at file: URL) throws -> RGBImage {
        guard let data = try? Data(contentsOf: file) else {
            throw UserError("no photo \(file.lastPathComponent) in inputs: copy it over")
        }
        return try PhotoDecoder.decode(data, name: file.lastPathComponent)
    }

    func sha256(of file: URL) throws -> String {
        sha256(try Data(contentsOf: file, options: .alwaysMapped))
    }

    func sha256(_ data: Data) -> String {
        SHA256.hash(data: data).map { String(format: "%02x", $0) }.joined()
    }

    func thermalState() -> ThermalState {
        switch ProcessInfo.processInfo.thermalState {
        case .nominal: .nominal
        case .fair: .fair
        case .serious: .serious
        default: .critical
        }
    }

    func lostForeground() -> Bool { Foreground.shared.lost() }

    func lowPower() -> Bool { ProcessInfo.processInfo.isLowPowerModeEnabled }

    /// The metric that the system's memory limit is about.
    func footprint() -> Int {
        var info = task_vm_info_data_t()
        var count = mach_msg_type_number_t(MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<natural_t>.size)
        let result = withUnsafeMutablePointer(to: &info) { pointer in
            pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
                task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), $0, &count)
            }
        }
        return result == KERN_SUCCESS ? Int(info.phys_footprint) : 0
    }

    func environment() async -> [String: JSONValue] {
        let process = ProcessInfo.processInfo
        let version = Bundle.main.infoDictionary?["CFBundleShortVersionString"] as? String ?? ""
        let (level, isCharging) = await MainActor.run {
            UIDevice.current.isBatteryMonitoringEnabled = true
            return (UIDevice.current.batteryLevel, UIDevice.current.batteryState != .unplugged)
        }
        return [
            "phone": .text(machineName()), "cores": .int(process.activeProcessorCount),
            "performance_cores": performanceCores().map { .int($0) } ?? .null,
            "memory_gib": .number((Double(process.physicalMemory) / 1_073_741_824 * 10).rounded() / 10),
            "system": .text("iOS \(process.operatingSystemVersionString)"),
            "battery": level < 0 ? .null : .number(Double(level)), "charging": .bool(isCharging),
            "versions": .object(["app": .text(version)]),
        ]
    }

    func sleep(seconds: Double) async {
        try? await Task.sleep(for: .seconds(seconds))
    }

    /// Writes to standard output, for who looks on, and to standard error, which is the log for the host.
    func say(_ line: String) {
        print(line)
        fflush(nil)
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }
}

/// Cores of the fast kind, physical ones; nil where the system does not tell.
func performanceCores() -> Int? {
    var cores: Int32 = 0
    var size = MemoryLayout<Int32>.size
    guard sysctlbyname("hw.perflevel0.physicalcpu", &cores, &size, nil, 0) == 0, cores > 0 else { return nil }
    return Int(cores)
}

/// Apple's name of the machine, such as "iPhone16,1"; in the simulator that of the machine it plays.
private func machineName() -> String {
    if let simulated = ProcessInfo.processInfo.environment["SIMULATOR_MODEL_IDENTIFIER"] {
        return "\(simulated) in the simulator"
    }
    var system = utsname()
    uname(&system)
    return withUnsafeBytes(of: &system.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

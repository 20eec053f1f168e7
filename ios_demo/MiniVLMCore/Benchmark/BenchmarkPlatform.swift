import Foundation

/// How warm the device is; the names of `ProcessInfo.ThermalState`.
public enum ThermalState: String, Sendable {
    case nominal, fair, serious, critical
}

/// What a benchmark asks of the device it runs on.
public protocol BenchmarkPlatform: Sendable {
    /// Makes the runtime that an artifact needs.
    func open(_ artifact: Artifact, computeUnits: BenchmarkRequest.ComputeUnits) async throws -> any ModelRuntime

    /// Reads a photo upright, with the levels that are stored in it.
    ///
    /// - Throws: `UserError`: no such file, or none that can be read.
    func photo(at file: URL) throws -> RGBImage

    /// Hexadecimal SHA-256 of a file.
    func sha256(of file: URL) throws -> String

    func thermalState() -> ThermalState

    /// Whether the user asked the system to save power.
    func lowPower() -> Bool

    /// Bytes of memory that the system charges this process with.
    func footprint() -> Int

    /// Machine, system and versions for the record.
    func environment() async -> [String: JSONValue]

    func sleep(seconds: Double) async

    /// Writes a line to standard output at once.
    func say(_ line: String)
}

import Foundation

/// How warm the device is; the names of `ProcessInfo.ThermalState`.
public enum ThermalState: String, Sendable {
    case nominal, fair, serious, critical
}

/// What a benchmark asks of the device it runs on.
public protocol BenchmarkPlatform: Sendable {
    /// Makes the runtime that an artifact needs.
    func open(_ artifact: Artifact, computeUnits: BenchmarkRequest.ComputeUnits) async throws -> any ModelRuntime

    /// Tells where the methods of an artifact run, after it was measured: asking takes as long as loading.
    func placements(_ artifact: Artifact, computeUnits: BenchmarkRequest.ComputeUnits) async -> Placements

    /// Reads a photo upright, with the levels that are stored in it.
    ///
    /// - Throws: `UserError`: no such file, or none that can be read.
    func photo(at file: URL) throws -> RGBImage

    /// Hexadecimal SHA-256 of a file.
    func sha256(of file: URL) throws -> String

    /// Hexadecimal SHA-256 of bytes.
    func sha256(_ data: Data) -> String

    func thermalState() -> ThermalState

    /// Whether the app left the foreground since this was last asked: then the system may have slowed it down.
    func lostForeground() -> Bool

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

extension BenchmarkPlatform {
    public func placements(_ artifact: Artifact, computeUnits: BenchmarkRequest.ComputeUnits) async -> Placements {
        artifact.sidecar.knownPlacements ?? [:]
    }

    /// SHA-256 of an artifact as `minivlm.storage.files.sha256` has it: of a file, or of a folder, over the names and sums of
    /// all files in it.
    func sha256(ofArtifact artifact: URL) throws -> String {
        let manager = FileManager.default
        var isFolder: ObjCBool = false
        guard manager.fileExists(atPath: artifact.path, isDirectory: &isFolder), isFolder.boolValue else {
            return try sha256(of: artifact)
        }
        let names = try manager.subpathsOfDirectory(atPath: artifact.path).filter { name in
            var isFolder: ObjCBool = false
            return manager.fileExists(atPath: artifact.appendingPathComponent(name).path, isDirectory: &isFolder)
                && !isFolder.boolValue
        }
        let sorted = names.sorted { $0.split(separator: "/").lexicographicallyPrecedes($1.split(separator: "/")) }
        let listed = try sorted.map { "\($0) \(try sha256(of: artifact.appendingPathComponent($0)))\n" }.joined()
        return sha256(Data(listed.utf8))
    }
}

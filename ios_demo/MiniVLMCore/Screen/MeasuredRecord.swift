import Foundation

/// A record on this phone, as the screen lists it.
public struct MeasuredRecord: Sendable, Identifiable {
    public let id: Int
    public let record: Record
    /// nil unless latency over time was measured.
    public let chart: SustainedChart?

    init(id: Int, record: Record) {
        (self.id, self.record) = (id, record)
        chart = SustainedChart(record)
    }

    public var title: String {
        [record.model, record.runtime, record.precision, record.accelerator].compactMap(\.self).joined(separator: ", ")
    }

    /// The metric, or why there is none.
    public var text: String {
        if let reason = record.error?.reason { return "Failed: \(reason)" }
        guard let runs = record.samples.values.map(\.count).min(), runs > 0 else { return "No runs." }
        let totals = (0..<runs).map { run in record.samples.values.reduce(0) { $0 + $1[run] } }
        let metric = "\(decimal(Statistics.median(totals), 1)) ms, median of \(runs) run\(runs == 1 ? "" : "s")."
        if record.disturbed.isEmpty { return metric }
        return "\(metric) Interference: \(record.disturbed.joined(separator: "; "))."
    }

    /// The records in a folder, the newest first: those of the screen, and those that a computer asked for.
    ///
    /// - Returns: Them, and one line for each file with lines that are no records of this app.
    public static func all(in results: URL) -> (measurements: [MeasuredRecord], faults: [String]) {
        let files = (try? FileManager.default.contentsOfDirectory(at: results, includingPropertiesForKeys: nil)) ?? []
        var (records, faults): ([Record], [String]) = ([], [])
        for file in files.filter({ $0.pathExtension == "jsonl" }).sorted(by: { $0.path < $1.path }) {
            let lines = ((try? Data(contentsOf: file)) ?? Data()).split(separator: UInt8(ascii: "\n"))
            let read = lines.compactMap { try? JSONCoding.decoder.decode(Record.self, from: Data($0)) }
            records += read
            if read.count < lines.count {
                faults.append("\(file.lastPathComponent): \(lines.count - read.count) of \(lines.count) lines unread")
            }
        }
        let newest = records.enumerated().sorted { ($0.element.time, $0.offset) > ($1.element.time, $1.offset) }
        return (newest.enumerated().map { MeasuredRecord(id: $0.offset, record: $0.element.element) }, faults)
    }

    /// Writes the record as a file of one line, which `bench/records/record.py` reads, to hand to another app.
    ///
    /// - Parameter folder: Is made where it is not there.
    public func export(to folder: URL) throws -> URL {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let names = [record.model, record.runtime, record.precision, record.run, String(record.round)]
        let plain = names.joined(separator: "-").map { $0.isLetter || $0.isNumber || "-.".contains($0) ? $0 : "_" }
        let file = folder.appendingPathComponent(String(plain) + ".jsonl")
        try Data((try record.json() + "\n").utf8).write(to: file, options: .atomic)
        return file
    }
}

/// A measurement that is asked for on the screen: the benchmark of docs/phones-ios.md, under the profile "app".
public struct ScreenBenchmark: Sendable, Equatable {
    public let artifact: String
    public let accelerator: Accelerator
    public let minutes: Int

    public init(artifact: String, accelerator: Accelerator, minutes: Int) {
        (self.artifact, self.accelerator, self.minutes) = (artifact, accelerator, minutes)
    }

    /// How long it can take.
    public static let choices = [1, 5, 10]

    public static func title(minutes: Int) -> String { "Measure for \(minutes) minute\(minutes == 1 ? "" : "s")" }

    /// The file of records that it writes to; a computer's have other names.
    public static let output = "app.jsonl"

    /// Name of the photo in `inputs`, where it is for as long as the measurement takes.
    public static let photo = "app-photo"

    /// - Parameter run: Tells this measurement from all others.
    public func arguments(run: String) -> [String] {
        [
            BenchmarkRequest.flag, "--artifact", artifact, "--photo", Self.photo, "--run", run, "--profile", "app",
            "--warmup-runs", "1", "--warmup-seconds", "0", "--runs", "1", "--seconds", String(60 * minutes),
            "--cool-down", "60", "--sustained", "yes", "--compute-units", accelerator.computeUnits.rawValue,
            "--output", Self.output,
        ]
    }
}

extension BenchmarkFiles {
    /// Puts the photo where the benchmark looks for it.
    public func lend(photo: Data) throws {
        try photo.write(to: inputs.appendingPathComponent(ScreenBenchmark.photo), options: .atomic)
    }

    /// Takes it away again.
    public func takeBackPhoto() {
        try? FileManager.default.removeItem(at: inputs.appendingPathComponent(ScreenBenchmark.photo))
    }

    /// Why the last launch or measurement failed; nil when it did not.
    public func failure() -> String? {
        let file = results.appendingPathComponent("status.json")
        guard let data = try? Data(contentsOf: file),
            let status = try? JSONCoding.decoder.decode(BenchmarkStatus.self, from: data), status.state == .failed
        else { return nil }
        return status.message
    }
}

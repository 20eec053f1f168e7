import Foundation

/// Latency and thermal state over a long measurement, as the chart shows them.
public struct SustainedChart: Sendable, Equatable {
    /// Median latency of one second.
    public struct Point: Sendable, Equatable, Identifiable {
        /// Since the start.
        public let seconds: Double
        public let milliseconds: Double

        public var id: Double { seconds }
    }

    /// A time with one thermal state.
    public struct Span: Sendable, Equatable, Identifiable {
        /// Seconds since the start.
        public let from: Double
        /// Seconds since the start.
        public let to: Double
        public let state: ThermalState

        public var id: Double { from }
    }

    public let points: [Point]
    /// One after another, to the last point; empty where the record does not tell.
    public let spans: [Span]

    /// - Returns: nil for a record that is no long measurement.
    public init?(_ record: Record) {
        let pairs = (record.sustained ?? []).filter { $0.count == 2 }
        let points = pairs.map { Point(seconds: $0[0], milliseconds: $0[1]) }
        guard let end = points.last?.seconds else { return nil }
        let changes = thermalChanges(record.environment)
        let ends = changes.dropFirst().map(\.seconds) + [end]
        self.points = points
        spans = zip(changes, ends).filter { $0.0.seconds < $0.1 }.map { change, until in
            Span(from: change.seconds, to: until, state: change.state)
        }
    }

    /// Median of the first minute, or quarter of a shorter time; the definition of `bench/reporting/sweeps.py`.
    public var begin: Double {
        let limit = max(window, points[0].seconds)
        return Statistics.median(points.filter { $0.seconds <= limit }.map(\.milliseconds))
    }

    /// Median of the last minute, or quarter.
    public var end: Double {
        let limit = points[points.count - 1].seconds - window
        return Statistics.median(points.filter { $0.seconds >= limit }.map(\.milliseconds))
    }

    private var window: Double { min(60, points[points.count - 1].seconds / 4) }

    /// What the chart shows, for who does not see it and below it for all.
    public var text: String {
        let latency =
            "\(decimal(begin, 1)) ms in the beginning, \(decimal(end, 1)) ms in the end, "
            + "\(decimal(end / begin, 2)) times as long."
        let heat = spans.map { $0.from == 0 ? $0.state.rawValue : "\($0.state.rawValue) from \(clock($0.from)) on" }
        return heat.isEmpty ? latency : "\(latency) Thermal state: \(heat.joined(separator: ", "))."
    }
}

/// [[seconds, state], ...] of a record's environment.
private func thermalChanges(_ environment: [String: JSONValue]) -> [(seconds: Double, state: ThermalState)] {
    guard case .list(let entries)? = environment["thermal_states"] else { return [] }
    return entries.compactMap { entry in
        guard case .list(let pair) = entry, pair.count == 2, case .text(let name) = pair[1],
            let state = ThermalState(rawValue: name)
        else { return nil }
        switch pair[0] {
        case .number(let seconds): return (seconds, state)
        case .int(let seconds): return (Double(seconds), state)
        default: return nil
        }
    }
}

/// A number with so many digits behind the point, the same in every language.
func decimal(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// Minutes and seconds.
private func clock(_ seconds: Double) -> String { String(format: "%d:%02d", Int(seconds) / 60, Int(seconds) % 60) }

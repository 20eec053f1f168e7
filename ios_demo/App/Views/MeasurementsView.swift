import Charts
import MiniVLMCore
import SwiftUI

/// All records on this phone.
struct MeasurementsView: View {
    let measurements: [MeasuredRecord]
    let unread: [String]

    var body: some View {
        List {
            if measurements.isEmpty { Text("Nothing was measured yet.") }
            ForEach(measurements) { measurement in
                NavigationLink {
                    MeasurementView(measurement: measurement)
                } label: {
                    VStack(alignment: .leading) {
                        Text(measurement.title).font(.headline)
                        Text(measurement.text)
                        Text(measurement.record.time).foregroundStyle(.secondary)
                    }
                }
            }
            ForEach(unread, id: \.self) { Warning(text: $0) }
        }
        .navigationTitle("Measurements")
    }
}

/// One record: its metric, its chart, and the way out of this phone.
private struct MeasurementView: View {
    let measurement: MeasuredRecord
    @State private var file: URL?
    @State private var fault: String?

    var body: some View {
        List {
            Text(measurement.text)
            if let chart = measurement.chart {
                SustainedChartView(chart: chart)
                Text(chart.text).foregroundStyle(.secondary)
            }
            LabeledContent("Time", value: measurement.record.time)
            LabeledContent("Weights", value: measurement.record.weights)
            if let file { ShareLink("Share the record", item: file) }
            if let fault { Warning(text: fault) }
        }
        .navigationTitle(measurement.title)
        .task {
            do {
                file = try measurement.export(to: .cachesDirectory.appending(path: "shared"))
            } catch {
                fault = error.localizedDescription
            }
        }
    }
}

/// Latency over time in front of the thermal states.
private struct SustainedChartView: View {
    let chart: SustainedChart

    var body: some View {
        Chart {
            ForEach(chart.spans) { span in
                RectangleMark(xStart: .value("From", span.from), xEnd: .value("To", span.to))
                    .foregroundStyle(by: .value("Thermal state", span.state.rawValue))
                    .opacity(0.3)
            }
            ForEach(chart.points) { point in
                LineMark(x: .value("Seconds", point.seconds), y: .value("Milliseconds", point.milliseconds))
                    .foregroundStyle(Color.primary)
            }
        }
        .chartForegroundStyleScale([
            "nominal": Color.green, "fair": Color.yellow, "serious": Color.orange, "critical": Color.red,
        ])
        .chartXAxisLabel("Seconds")
        .chartYAxisLabel("Milliseconds")
        .frame(height: 240)
        .accessibilityElement(children: .ignore)
        .accessibilityLabel("Latency over time")
        .accessibilityValue(chart.text)
    }
}

import MiniVLMCore
import SwiftUI

/// The way to measure, and to what was measured.
struct MeasureSection: View {
    let model: PhotoModel

    var body: some View {
        Section("Measure over time") {
            if model.screen.offers(.stop) {
                if let step = model.screen.step { LabeledContent("Now", value: step) }
                Button {
                    model.stop()
                } label: {
                    Label("Stop", systemImage: "stop.circle")
                }
            } else {
                ForEach(ScreenBenchmark.choices, id: \.self) { minutes in
                    Button {
                        Task { await model.measure(minutes: minutes) }
                    } label: {
                        Label(ScreenBenchmark.title(minutes: minutes), systemImage: "stopwatch")
                    }
                }
                .disabled(!model.screen.offers(.measure))
            }
            NavigationLink {
                MeasurementsView(measurements: model.measurements, unread: model.unread)
            } label: {
                Label("Measurements", systemImage: "chart.xyaxis.line")
            }
        }
    }
}

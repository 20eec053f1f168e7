import MiniVLMCore
import SwiftUI

/// How long each stage took the last time: one sample, no benchmark.
struct StagesView: View {
    let stages: [StageTime]

    var body: some View {
        Section("Milliseconds, this time") {
            ForEach(stages, id: \.name) { stage in
                LabeledContent(
                    stage.name, value: stage.milliseconds.formatted(.number.precision(.fractionLength(1))))
            }
        }
    }
}

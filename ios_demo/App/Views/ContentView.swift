import MiniVLMCore
import SwiftUI

/// A photo with its regions, what the model says about it, and how long that took.
struct ContentView: View {
    @State private var model = PhotoModel()
    @State private var question = ""  // here, so that turning the phone does not lose it
    @Environment(\.scenePhase) private var phase
    @Environment(\.verticalSizeClass) private var height
    @Environment(\.dynamicTypeSize) private var textSize

    var body: some View {
        NavigationStack {
            arranged.navigationTitle("MiniVLM")
        }
        .task { await model.start() }
        .onChange(of: phase) { before, _ in
            if before == .active { Foreground.shared.leave() }  // a measurement must say so
        }
    }

    @ViewBuilder
    private var arranged: some View {
        switch Arrangement(isShort: height == .compact, isTextLarge: textSize.isAccessibilitySize) {
        case .sideBySide:
            HStack(alignment: .top) {
                RegionsView(model: model)
                List { texts }
            }
        case .stacked:
            List {
                if model.screen.photo != nil { RegionsView(model: model) }
                texts
            }
        }
    }

    @ViewBuilder
    private var texts: some View {
        DescriptionSection(model: model)
        if model.screen.answersQuestions { QuestionSection(model: model, question: $question) }
        ModelSections(model: model)
        MeasureSection(model: model)
        if !model.screen.stages.isEmpty { StagesSection(screen: model.screen) }
    }
}

/// How long each stage took the last time: one sample, no benchmark.
private struct StagesSection: View {
    let screen: Screen

    var body: some View {
        Section("Milliseconds, this time") {
            ForEach(screen.stages, id: \.name) { stage in
                LabeledContent(
                    [stage.name, screen.ranOn(stage)].compactMap(\.self).joined(separator: ", "),
                    value: stage.milliseconds.formatted(.number.precision(.fractionLength(1))))
            }
        }
    }
}

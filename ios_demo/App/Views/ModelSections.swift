import MiniVLMCore
import SwiftUI

/// Which model, and what it runs on.
struct ModelSections: View {
    let model: PhotoModel

    var body: some View {
        Section("Model") {
            ForEach(model.screen.models) { choice in
                ChoiceRow(title: choice.title, isChosen: choice == model.screen.model) {
                    Task { await model.choose(choice) }
                }
            }
            .disabled(!model.screen.offers(.chooseModel))
            if let weights = model.screen.weights { LabeledContent("Weights", value: weights) }
            ForEach(model.screen.faults, id: \.self) { Warning(text: $0) }
        }
        Section("Runs on") {
            ForEach(model.screen.accelerators) { choice in
                ChoiceRow(title: choice.title, isChosen: choice == model.screen.accelerator) {
                    Task { await model.choose(choice) }
                }
            }
            .disabled(!model.screen.offers(.chooseModel))
            if let notice = model.screen.notice { Warning(text: notice) }
        }
    }
}

/// One of several things to choose from.
private struct ChoiceRow: View {
    let title: String
    let isChosen: Bool
    let choose: @MainActor () -> Void

    var body: some View {
        Button {
            choose()
        } label: {
            Label(title, systemImage: isChosen ? "checkmark.circle.fill" : "circle")
        }
        .accessibilityAddTraits(isChosen ? .isSelected : [])
    }
}

import MiniVLMCore
import SwiftUI

/// A question about the photo, and the best answers.
struct QuestionSection: View {
    let model: PhotoModel
    @Binding var question: String

    var body: some View {
        Section("Question") {
            TextField("what is on the table?", text: $question)
                .onSubmit { ask() }
                .accessibilityLabel("Question about the photo")
            Button {
                ask()
            } label: {
                Label("Ask", systemImage: "questionmark.bubble")
            }
            .disabled(!model.screen.offers(.ask))
            ForEach(model.screen.answers, id: \.text) { answer in
                LabeledContent(answer.text, value: answer.share)
            }
        }
    }

    private func ask() {
        Task { await model.ask(question) }
    }
}

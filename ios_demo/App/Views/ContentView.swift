import MiniVLMCore
import PhotosUI
import SwiftUI

/// A photo with its regions, what the model says about it, and how long that took.
struct ContentView: View {
    @State private var model = PhotoModel()
    @State private var picked: PhotosPickerItem?
    @State private var question = ""

    var body: some View {
        NavigationStack {
            List {
                Section {
                    PhotosPicker(selection: $picked, matching: .images, preferredItemEncoding: .compatible) {
                        Label("Choose a photo", systemImage: "photo")
                    }
                    .disabled(model.isBusy)
                    if let photo = model.photo {
                        RegionsView(photo: photo, regions: model.regions)
                    }
                    if model.isBusy { ProgressView() }
                    if let caption = model.caption { Text(caption).font(.headline) }
                    if let message = model.message { Text(message).foregroundStyle(.red) }
                }
                if model.caption != nil { questions }
                if !model.stages.isEmpty { StagesView(stages: model.stages) }
                models
            }
            .navigationTitle("MiniVLM")
        }
        .task { await model.start() }
        .onChange(of: picked) { _, item in
            guard let item else { return }
            Task { await show(item) }
        }
    }

    private var questions: some View {
        Section("Question") {
            TextField("what is on the table?", text: $question)
                .onSubmit { Task { await model.ask(question) } }
            ForEach(model.answers, id: \.text) { answer in
                LabeledContent(answer.text, value: answer.probability.formatted(.percent.precision(.fractionLength(0))))
            }
        }
    }

    private var models: some View {
        Section("Model") {
            ForEach(model.models, id: \.self) { file in
                Button {
                    Task { await model.choose(file) }
                } label: {
                    Label(file.lastPathComponent, systemImage: file == model.chosen ? "checkmark.circle" : "circle")
                }
                .disabled(model.isBusy)
            }
            if let weights = model.weights { LabeledContent("Weights", value: weights) }
        }
    }

    private func show(_ item: PhotosPickerItem) async {
        do {
            guard let data = try await item.loadTransferable(type: Data.self) else {
                throw UserError("this photo is not on the phone: open it in Photos once, then choose it again")
            }
            await model.show(data)
        } catch {
            model.report(error)
        }
    }
}

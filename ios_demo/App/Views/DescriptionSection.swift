import MiniVLMCore
import PhotosUI
import SwiftUI

/// The way to a photo, what is going on, and what the model says about the photo.
struct DescriptionSection: View {
    let model: PhotoModel
    @State private var picked: PhotosPickerItem?

    var body: some View {
        Section {
            PhotosPicker(selection: $picked, matching: .images, preferredItemEncoding: .compatible) {
                Label("Choose a photo", systemImage: "photo")
            }
            .disabled(!model.screen.offers(.choosePhoto))
            .onChange(of: picked) { _, item in
                guard let item else { return }
                Task { await model.show { try await item.loadTransferable(type: Data.self) } }
            }
            if let caption = model.screen.caption { Text(caption).font(.headline) }
            if let region = model.screen.chosenRegion {
                Label(region.title, systemImage: "viewfinder").accessibilityLabel(region.spoken)
            }
            if model.screen.state.isBusy { ProgressView().accessibilityHidden(true) }
            Text(model.screen.state.text).foregroundStyle(.secondary)
            if let message = model.screen.message { Warning(text: message) }
        }
    }
}

/// Something went wrong: told by a sign and a colour.
struct Warning: View {
    let text: String

    var body: some View {
        Label(text, systemImage: "exclamationmark.triangle").foregroundStyle(.red)
    }
}

import Foundation
import SwiftUI

public struct PHPickerFilter: Sendable {
    public static var images: PHPickerFilter { fatalError() }
}

public struct PhotosPickerItem: Equatable, Sendable {
    public struct EncodingDisambiguationPolicy: Sendable {
        public static var compatible: EncodingDisambiguationPolicy { fatalError() }
    }
    public func loadTransferable<T>(type: T.Type) async throws -> T? { fatalError() }
}

public struct PhotosPicker<Label: View>: View {
    public var body: Never { return fatalError() }
    public init(
        selection: Binding<PhotosPickerItem?>, matching: PHPickerFilter?,
        preferredItemEncoding: PhotosPickerItem.EncodingDisambiguationPolicy, @ViewBuilder label: () -> Label
    ) { fatalError() }
}

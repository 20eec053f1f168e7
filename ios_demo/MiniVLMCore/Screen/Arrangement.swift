/// How the photo and the texts about it share the screen.
public enum Arrangement: Sendable, Equatable {
    /// The photo above the texts, one list.
    case stacked
    /// The photo beside the texts.
    case sideBySide

    /// - Parameters:
    ///   - isShort: An iPhone on its side.
    ///   - isTextLarge: One of the sizes of text for accessibility, which need the whole width.
    public init(isShort: Bool, isTextLarge: Bool) {
        self = isShort && !isTextLarge ? .sideBySide : .stacked
    }
}

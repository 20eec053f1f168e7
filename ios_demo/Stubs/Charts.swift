@_exported import SwiftUI

@MainActor @preconcurrency
public protocol ChartContent {}

@resultBuilder
public enum ChartContentBuilder {
    public static func buildBlock<each Content: ChartContent>(
        _ content: repeat each Content
    ) -> SeveralMarks<repeat each Content> { fatalError() }
}

public struct SeveralMarks<each Content: ChartContent>: ChartContent {}

public struct Chart<Content: ChartContent>: View {
    public var body: Never { return fatalError() }
    public init(@ChartContentBuilder content: () -> Content) { fatalError() }
}

extension ForEach: ChartContent where Content: ChartContent {
    public init<Items: RandomAccessCollection>(
        _ items: Items, @ChartContentBuilder content: @escaping (Items.Element) -> Content
    ) where Items.Element: Identifiable { fatalError() }
}

public protocol Plottable {}
extension Double: Plottable {}
extension String: Plottable {}

public struct PlottableValue<Value: Plottable> {
    public static func value(_ label: some StringProtocol, _ value: Value) -> PlottableValue<Value> { fatalError() }
}

public struct LineMark: ChartContent {
    public init<X: Plottable, Y: Plottable>(x: PlottableValue<X>, y: PlottableValue<Y>) { fatalError() }
}

public struct RectangleMark: ChartContent {
    public init<X: Plottable>(
        xStart: PlottableValue<X>, xEnd: PlottableValue<X>, yStart: CGFloat? = nil, yEnd: CGFloat? = nil
    ) { fatalError() }
}

extension ChartContent {
    public func foregroundStyle(_ color: Color) -> some ChartContent { self }
    public func foregroundStyle<Value: Plottable>(by value: PlottableValue<Value>) -> some ChartContent { self }
    public func opacity(_ share: Double) -> some ChartContent { self }
}

extension View {
    public func chartForegroundStyleScale<Value: Plottable>(
        _ mapping: KeyValuePairs<Value, Color>
    ) -> some View { self }
    public func chartXAxisLabel(_ label: some StringProtocol) -> some View { self }
    public func chartYAxisLabel(_ label: some StringProtocol) -> some View { self }
}

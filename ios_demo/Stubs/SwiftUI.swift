@_exported import CoreGraphics
@_exported import Foundation
@_exported import Observation

// MARK: App and scenes

@MainActor @preconcurrency
public protocol App {
    associatedtype Body: Scene
    @SceneBuilder var body: Body { get }
    init()
}
extension App {
    public static func main() { fatalError() }
}

@MainActor @preconcurrency
public protocol Scene {}

@resultBuilder
public enum SceneBuilder {
    public static func buildBlock<Content: Scene>(_ content: Content) -> Content { fatalError() }
}

public struct WindowGroup<Content: View>: Scene {
    public init(@ViewBuilder content: () -> Content) { fatalError() }
}

// MARK: Views

@MainActor @preconcurrency
public protocol View {
    associatedtype Body: View
    @ViewBuilder var body: Body { get }
}
extension Never: View {
    public var body: Never { return fatalError() }
}
extension Optional: View where Wrapped: View {
    public var body: Never { return fatalError() }
}

@resultBuilder
public enum ViewBuilder {
    public static func buildBlock<each Content: View>(_ content: repeat each Content) -> Several<repeat each Content> {
        fatalError()
    }
    public static func buildIf<Content: View>(_ content: Content?) -> Content? { fatalError() }
    public static func buildEither<First: View, Second: View>(first: First) -> Either<First, Second> { fatalError() }
    public static func buildEither<First: View, Second: View>(second: Second) -> Either<First, Second> { fatalError() }
}

public struct Several<each Content: View>: View {
    public var body: Never { return fatalError() }
}

public struct Either<First: View, Second: View>: View {
    public var body: Never { return fatalError() }
}

public struct Text: View {
    public var body: Never { return fatalError() }
    public init(_ text: some StringProtocol) { fatalError() }
}

public struct Image: View {
    public var body: Never { return fatalError() }
    public init(decorative image: CGImage, scale: CGFloat) { fatalError() }
    public func resizable() -> Image { fatalError() }
}

public struct Label: View {
    public var body: Never { return fatalError() }
    public init(_ title: some StringProtocol, systemImage: String) { fatalError() }
}

public struct LabeledContent: View {
    public var body: Never { return fatalError() }
    public init(_ title: some StringProtocol, value: some StringProtocol) { fatalError() }
}

public struct ProgressView: View {
    public var body: Never { return fatalError() }
    public init() { fatalError() }
}

public struct TextField: View {
    public var body: Never { return fatalError() }
    public init(_ prompt: some StringProtocol, text: Binding<String>) { fatalError() }
}

public struct Button<Content: View>: View {
    public var body: Never { return fatalError() }
    public init(action: @escaping @MainActor () -> Void, @ViewBuilder label: () -> Content) { fatalError() }
}

public struct VStack<Content: View>: View {
    public var body: Never { return fatalError() }
    public init(
        alignment: HorizontalAlignment = .center, spacing: CGFloat? = nil, @ViewBuilder content: () -> Content
    ) { fatalError() }
}

public struct HStack<Content: View>: View {
    public var body: Never { return fatalError() }
    public init(
        alignment: VerticalAlignment = .center, spacing: CGFloat? = nil, @ViewBuilder content: () -> Content
    ) { fatalError() }
}

public struct ZStack<Content: View>: View {
    public var body: Never { return fatalError() }
    public init(alignment: Alignment = .center, @ViewBuilder content: () -> Content) { fatalError() }
}

public struct List<Content: View>: View {
    public var body: Never { return fatalError() }
    public init(@ViewBuilder content: () -> Content) { fatalError() }
}

public struct Section<Content: View>: View {
    public var body: Never { return fatalError() }
    public init(@ViewBuilder content: () -> Content) { fatalError() }
    public init(_ title: some StringProtocol, @ViewBuilder content: () -> Content) { fatalError() }
}

public struct NavigationStack<Content: View>: View {
    public var body: Never { return fatalError() }
    public init(@ViewBuilder root: () -> Content) { fatalError() }
}

/// Views where its content is one; marks of a chart where that is what they are (Charts.swift).
public struct ForEach<Content> {}
extension ForEach: View where Content: View {
    public var body: Never { return fatalError() }
    public init<Items: RandomAccessCollection>(
        _ items: Items, @ViewBuilder content: @escaping (Items.Element) -> Content
    ) where Items.Element: Identifiable { fatalError() }
    public init<Items: RandomAccessCollection, ID: Hashable>(
        _ items: Items, id: KeyPath<Items.Element, ID>, @ViewBuilder content: @escaping (Items.Element) -> Content
    ) { fatalError() }
}

public struct NavigationLink<Content: View, Destination: View>: View {
    public var body: Never { return fatalError() }
    public init(@ViewBuilder destination: () -> Destination, @ViewBuilder label: () -> Content) { fatalError() }
}

public struct ShareLink: View {
    public var body: Never { return fatalError() }
    public init(_ title: some StringProtocol, item: URL) { fatalError() }
}

public struct GeometryProxy {
    public var size: CGSize { fatalError() }
}

public struct GeometryReader<Content: View>: View {
    public var body: Never { return fatalError() }
    public init(@ViewBuilder content: @escaping (GeometryProxy) -> Content) { fatalError() }
}

public protocol Shape: View {}

public struct Rectangle: Shape {
    public var body: Never { return fatalError() }
    public init() { fatalError() }
    public func stroke(_ color: Color, lineWidth: CGFloat) -> some View { self }
}

public struct Color: View, Sendable {
    public var body: Never { return fatalError() }
    public static var black: Color { fatalError() }
    public static var clear: Color { fatalError() }
    public static var cyan: Color { fatalError() }
    public static var green: Color { fatalError() }
    public static var orange: Color { fatalError() }
    public static var primary: Color { fatalError() }
    public static var red: Color { fatalError() }
    public static var secondary: Color { fatalError() }
    public static var yellow: Color { fatalError() }
}

// MARK: Modifiers

public enum ContentMode { case fit, fill }

public struct Alignment: Sendable {
    public static var center: Alignment { fatalError() }
    public static var topLeading: Alignment { fatalError() }
}

public struct HorizontalAlignment: Sendable {
    public static var center: HorizontalAlignment { fatalError() }
    public static var leading: HorizontalAlignment { fatalError() }
}

public struct VerticalAlignment: Sendable {
    public static var center: VerticalAlignment { fatalError() }
    public static var top: VerticalAlignment { fatalError() }
}

public struct AccessibilityTraits: SetAlgebra, Sendable {
    public static let isButton = AccessibilityTraits(number: 1)
    public static let isSelected = AccessibilityTraits(number: 2)
    private var numbers: Set<Int> = []
    private init(number: Int) { fatalError() }
    public init() { fatalError() }
    public func union(_ other: AccessibilityTraits) -> AccessibilityTraits { fatalError() }
    public func intersection(_ other: AccessibilityTraits) -> AccessibilityTraits { fatalError() }
    public func symmetricDifference(_ other: AccessibilityTraits) -> AccessibilityTraits { fatalError() }
    public func contains(_ member: AccessibilityTraits) -> Bool { fatalError() }
    public mutating func formUnion(_ other: AccessibilityTraits) { fatalError() }
    public mutating func formIntersection(_ other: AccessibilityTraits) { fatalError() }
    public mutating func formSymmetricDifference(_ other: AccessibilityTraits) { fatalError() }
    public mutating func insert(
        _ newMember: AccessibilityTraits
    ) -> (inserted: Bool, memberAfterInsert: AccessibilityTraits) { fatalError() }
    public mutating func remove(_ member: AccessibilityTraits) -> AccessibilityTraits? { fatalError() }
    public mutating func update(with newMember: AccessibilityTraits) -> AccessibilityTraits? { fatalError() }
}

public struct AccessibilityChildBehavior: Sendable {
    public static let ignore = AccessibilityChildBehavior()
}

public struct Font: Sendable {
    public static var headline: Font { fatalError() }
    public static var caption2: Font { fatalError() }
}

extension View {
    public func accessibilityAction(_ action: @escaping () -> Void) -> some View { self }
    public func accessibilityAddTraits(_ traits: AccessibilityTraits) -> some View { self }
    public func accessibilityElement(children: AccessibilityChildBehavior) -> some View { self }
    public func accessibilityHidden(_ hidden: Bool) -> some View { self }
    public func accessibilityLabel(_ label: some StringProtocol) -> some View { self }
    public func accessibilityValue(_ value: some StringProtocol) -> some View { self }
    public func aspectRatio(contentMode: ContentMode) -> some View { self }
    public func background(_ color: Color) -> some View { self }
    public func contentShape(_ shape: some Shape) -> some View { self }
    public func disabled(_ disabled: Bool) -> some View { self }
    public func font(_ font: Font?) -> some View { self }
    public func foregroundStyle(_ color: Color) -> some View { self }
    public func frame(width: CGFloat? = nil, height: CGFloat? = nil) -> some View { self }
    public func navigationTitle(_ title: some StringProtocol) -> some View { self }
    public func offset(x: CGFloat, y: CGFloat) -> some View { self }
    public func onSubmit(_ action: @escaping () -> Void) -> some View { self }
    public func onTapGesture(perform action: @escaping (CGPoint) -> Void) -> some View { self }
    public func overlay(alignment: Alignment = .center, @ViewBuilder content: () -> some View) -> some View { self }
    public func onChange<Value: Equatable>(of value: Value, _ action: @escaping (Value, Value) -> Void) -> some View {
        self
    }
    public func task(@_inheritActorContext _ action: @escaping @Sendable () async -> Void) -> some View { self }
}

// MARK: State

@propertyWrapper
public struct State<Value> {
    public init(wrappedValue: Value) { fatalError() }
    public var wrappedValue: Value {
        get { fatalError() }
        nonmutating set { fatalError() }
    }
    public var projectedValue: Binding<Value> { fatalError() }
}

@propertyWrapper
public struct Binding<Value> {
    public init(projectedValue: Binding<Value>) { fatalError() }
    public var wrappedValue: Value {
        get { fatalError() }
        nonmutating set { fatalError() }
    }
    public var projectedValue: Binding<Value> { fatalError() }
}

public enum ScenePhase { case background, inactive, active }

public enum UserInterfaceSizeClass { case compact, regular }

public enum DynamicTypeSize {
    case large
    public var isAccessibilitySize: Bool { fatalError() }
}

public struct EnvironmentValues {
    public var dynamicTypeSize: DynamicTypeSize { fatalError() }
    public var verticalSizeClass: UserInterfaceSizeClass? { fatalError() }
    public var scenePhase: ScenePhase { fatalError() }
}

@propertyWrapper
public struct Environment<Value> {
    public init(_ path: KeyPath<EnvironmentValues, Value>) { fatalError() }
    public var wrappedValue: Value { fatalError() }
}

@_exported import Foundation

@MainActor
public final class UIApplication {
    public static var shared: UIApplication { fatalError() }
    public nonisolated static var willTerminateNotification: Notification.Name { fatalError() }
    public var isIdleTimerDisabled: Bool {
        get { fatalError() }
        set { fatalError() }
    }
}

@MainActor
public final class UIDevice {
    public enum BatteryState { case unknown, unplugged, charging, full }
    public static var current: UIDevice { fatalError() }
    public var isBatteryMonitoringEnabled: Bool {
        get { fatalError() }
        set { fatalError() }
    }
    public var batteryLevel: Float { fatalError() }
    public var batteryState: BatteryState { fatalError() }
}

public enum UIAccessibility {
    public struct Notification: Sendable {
        public static let announcement = Notification()
    }
    public static func post(notification: Notification, argument: Any?) { fatalError() }
}

import Foundation
import MiniVLMCore
import UIKit

/// Whether the app was in front all the time, and what it says when the system ends it.
final class Foreground: Sendable {
    static let shared = Foreground()
    private let left = Flag()

    /// Whether the app left the foreground since this was last asked.
    func lost() -> Bool { left.take() }

    /// To be called whenever the scene stops being active: Auto-Lock, a call, the app switcher.
    func leave() { left.raise() }

    /// Writes the line that the host tells a swipe from a crash by: a swiped app leaves no report.
    @MainActor
    func announceEnd() {
        let name = UIApplication.willTerminateNotification
        _ = NotificationCenter.default.addObserver(forName: name, object: nil, queue: nil) { _ in
            PhonePlatform().say("MINIVLM closed")
        }
    }

    /// Sends what this process and its libraries write to standard error into the host's log, from its beginning.
    func keepLog(in file: URL) {
        let descriptor = open(file.path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard descriptor >= 0 else { return }  // a full disk: the measurement itself will say so
        dup2(descriptor, STDERR_FILENO)
        close(descriptor)
    }
}

/// A flag that any thread may raise and one takes down.
private final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var isRaised = false

    func raise() { lock.withLock { isRaised = true } }

    func take() -> Bool {
        lock.withLock {
            defer { isRaised = false }
            return isRaised
        }
    }
}

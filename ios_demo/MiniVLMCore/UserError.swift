import Foundation

/// What a person is told when something cannot be done: what was given, the rule, and the way out, in one line.
public struct UserError: LocalizedError, Equatable, Sendable {
    public let message: String

    public init(_ message: String) {
        self.message = message
    }

    public var errorDescription: String? { message }
}

/// One line for a person, whatever went wrong.
func describe(_ error: any Error) -> String {
    if error is CancellationError { return "stopped by the user" }
    let text = (error as? UserError)?.message ?? error.localizedDescription
    return text.split(whereSeparator: \.isNewline).joined(separator: " ")
}

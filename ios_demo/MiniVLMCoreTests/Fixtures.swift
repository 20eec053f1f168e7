import Foundation
import XCTest

@testable import MiniVLMCore

/// The project's folder: three levels above this file.
private let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

/// tests/fixtures, which the Python tests hold against the Python implementation.
enum Fixture {
    static func url(_ path: String) -> URL {
        project.appendingPathComponent("tests/fixtures").appendingPathComponent(path)
    }

    static func vocabulary(_ name: String) -> URL {
        project.appendingPathComponent("minivlm/assets").appendingPathComponent(name)
    }

    /// The lines of a page of the documentation.
    static func page(_ name: String) throws -> [Substring] {
        let file = project.appendingPathComponent("docs").appendingPathComponent(name)
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    }

    static func decode<T: Decodable>(_ type: T.Type, _ path: String) throws -> T {
        try JSONCoding.decoder.decode(type, from: try Data(contentsOf: url(path)))
    }

    /// Raw little-endian float32.
    static func floats(_ path: String) throws -> [Float] {
        try Data(contentsOf: url(path)).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
}

/// Checks that a person is told exactly this.
func assertUserError<T>(
    _ message: String, file: StaticString = #filePath, line: UInt = #line, _ body: () throws -> T
) {
    XCTAssertThrowsError(try body(), file: file, line: line) { error in
        XCTAssertEqual((error as? UserError)?.message, message, file: file, line: line)
    }
}

extension XCTestCase {
    /// An empty folder that is gone after the test.
    func temporaryFolder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        addTeardownBlock { try? FileManager.default.removeItem(at: folder) }
        return folder
    }
}

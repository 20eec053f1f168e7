import Foundation
import XCTest

@testable import MiniVLMCore

/// The photo as a network takes it, to the bit of tests/fixtures/preprocess.
final class PreprocessTests: XCTestCase {
    private struct Expected: Decodable {
        struct Case: Decodable {
            let tensor: String
            let function: String
            let arguments: [String: Argument]
            let pixels: PixelFormat
            let shape: [Int]
            let extent: [Float]
            let scale: [Double]
            let boxes: [[Float]]
            let boxesInPhoto: [[Float]]
        }

        let photoSize: [Int]
        let cases: [Case]
    }

    /// A whole number, or a height and a width.
    private enum Argument: Decodable {
        case number(Int)
        case size([Int])

        init(from decoder: Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Int.self) {
                self = .number(number)
            } else {
                self = .size(try container.decode([Int].self))
            }
        }
    }

    private var expected: Expected!
    private var photo: RGBImage!

    override func setUpWithError() throws {
        expected = try Fixture.decode(Expected.self, "preprocess/expected.json")
        let levels = try Data(contentsOf: Fixture.url("preprocess/photo.rgb"))
        photo = try RGBImage(width: expected.photoSize[1], height: expected.photoSize[0], levels: Array(levels))
    }

    private func make(_ item: Expected.Case) throws -> NetworkInput {
        switch (item.function, item.arguments["size"], item.arguments["short"], item.arguments["longest"]) {
        case ("letterbox", .size(let size), _, _):
            return .letterbox(photo, height: size[0], width: size[1], pixels: item.pixels)
        case ("resize_short_side", _, .number(let short), .number(let longest)):
            return .shortSide(photo, short: short, longest: longest, pixels: item.pixels)
        default:
            throw UserError("no function \(item.function)")
        }
    }

    func testTensorsEqualTheFixtureToTheBit() throws {
        XCTAssertGreaterThanOrEqual(expected.cases.count, 3)
        for item in expected.cases {
            let made = try make(item)
            XCTAssertEqual(made.image.shape, item.shape, item.tensor)
            let wanted = try Fixture.floats("preprocess/\(item.tensor)")
            XCTAssertTrue(made.image.values.map(\.bitPattern) == wanted.map(\.bitPattern), item.tensor)
        }
    }

    func testExtentAndScaleEqualTheFixture() throws {
        for item in expected.cases {
            let made = try make(item)
            XCTAssertEqual(made.extent.values, item.extent, item.tensor)
            XCTAssertEqual([made.scale.x, made.scale.y], item.scale, item.tensor)
        }
    }

    /// Tolerance 1e-6 of a coordinate, as docs/preprocessing.md says.
    func testBoxesComeBackToWhereTheyAreInThePhoto() throws {
        for item in expected.cases {
            let boxes = try make(item).toPhoto(NDArray(item.boxes.flatMap { $0 }, shape: [item.boxes.count, 4]))
            for (box, wanted) in zip(boxes, item.boxesInPhoto) {
                for (corner, place) in zip([box.x1, box.y1, box.x2, box.y2], wanted) {
                    XCTAssertEqual(corner, place, accuracy: max(place, 1) * 1e-6, item.tensor)
                }
            }
        }
    }

    /// A 200 x 101 photo at half its size is 50.5 pixels high; 50 would be rounding to even.
    func testHalvesAreRoundedUp() throws {
        let grey = try RGBImage(width: 200, height: 101, levels: Array(repeating: 128, count: 3 * 200 * 101))
        let made = NetworkInput.letterbox(grey, height: 100, width: 100, pixels: .imagenet)
        XCTAssertEqual(made.extent.values, [51, 100])
    }

    func testTheNarrowestPhotoKeepsAPixel() throws {
        let line = try RGBImage(width: 10_000, height: 1, levels: Array(repeating: 7, count: 30_000))
        let made = NetworkInput.letterbox(line, height: 64, width: 64, pixels: .imagenet)
        XCTAssertEqual(made.extent.values, [1, 64])
    }

    func testAPhotoWithoutPixelsIsRefused() {
        assertUserError("a photo of 0 x 4 pixels: choose one with at least one pixel") {
            try RGBImage(width: 0, height: 4, levels: [])
        }
    }
}

/// EXIF orientation, from its definition: the tag says where the stored pixels' first row and first column are seen.
final class OrientationTests: XCTestCase {
    /// Stored pixels, three columns and two rows.
    private let stored = ["abc", "def"]

    /// What is seen for each value; EXIF 2.32, tag 0x0112.
    private let seen = [
        1: ["abc", "def"],
        2: ["cba", "fed"],  // row 0 top, column 0 right
        3: ["fed", "cba"],  // bottom, right
        4: ["def", "abc"],  // bottom, left
        5: ["ad", "be", "cf"],  // row 0 left, column 0 top
        6: ["da", "eb", "fc"],  // right, top
        7: ["fc", "eb", "da"],  // right, bottom
        8: ["cf", "be", "ad"],  // left, bottom
        0: ["abc", "def"],  // not in the standard: upright
        9: ["abc", "def"],
    ]

    private func image(_ rows: [String]) throws -> RGBImage {
        let letters = rows.flatMap { Array($0.utf8) }
        return try RGBImage(
            width: rows[0].count, height: rows.count, levels: letters.flatMap { [$0, $0 &+ 1, $0 &+ 2] })
    }

    func testEveryOrientationIsTurnedUpright() throws {
        for (orientation, rows) in seen {
            XCTAssertEqual(
                try image(stored).upright(orientation: orientation), try image(rows), "orientation \(orientation)")
        }
    }
}

import Foundation

/// A region as the screen draws it and tells about it.
public struct ShownRegion: Sendable, Equatable, Identifiable {
    /// Row of the region in `PhotoRegions`.
    public let id: Int
    /// In pixels of the photo.
    public let box: Box
    public let tag: String
    /// Class probability.
    public let score: Float
    /// What it is like, where there is something to say.
    public let attribute: String?

    public init(id: Int, box: Box, tag: String, score: Float, attribute: String? = nil) {
        self.id = id
        self.box = box
        self.tag = tag
        self.score = score
        self.attribute = attribute
    }

    /// The attribute, where there is one, before the tag.
    public var phrase: String { [attribute, tag].compactMap { $0 }.joined(separator: " ") }

    /// What it is and how sure that is in one line, for the eye.
    public var title: String { "\(phrase) \(percent(Double(score)))" }

    /// The same for the ear.
    public var spoken: String { "\(phrase), score \(percent(Double(score)))" }

    /// Boxes that a small screen has room for.
    public static let most = 10

    /// The best valid regions, best first.
    ///
    /// - Throws: `UserError`: a class or an attribute that no line of the labels stands for.
    public static func best(of regions: PhotoRegions, labels: Labels, most: Int = most) throws -> [ShownRegion] {
        try regions.valid.indices.filter { regions.valid[$0] }.prefix(most).map { row in
            ShownRegion(
                id: row, box: regions.boxes[row], tag: try labels.tagName(regions.tags[row]),
                score: regions.scores[row], attribute: try labels.attributeName(regions.attributes?[row] ?? 0))
        }
    }

    /// The region that a tap chooses: the smallest around the place, and with each further tap the next larger one.
    ///
    /// - Parameters:
    ///   - x: In pixels of the photo.
    ///   - y: In pixels of the photo.
    ///   - chosen: What is chosen now.
    /// - Returns: Its `id`; nil for a tap beside all regions, and behind the largest one.
    public static func tapped(x: Float, y: Float, among regions: [ShownRegion], chosen: Int?) -> Int? {
        let around = regions.filter { $0.box.contains(x: x, y: y) }
            .sorted { ($0.box.area, $0.id) < ($1.box.area, $1.id) }.map(\.id)
        guard let chosen, let place = around.firstIndex(of: chosen) else { return around.first }
        return place + 1 < around.count ? around[place + 1] : nil
    }
}

extension Box {
    var area: Float { (x2 - x1) * (y2 - y1) }

    func contains(x: Float, y: Float) -> Bool { (x1...x2).contains(x) && (y1...y2).contains(y) }
}

extension Answer {
    /// The probability for the eye.
    public var share: String { percent(probability) }
}

/// A probability in whole percent, as every text of the screen has it.
func percent(_ share: Double) -> String { "\(Int((100 * share).rounded())) %" }

/// Metrics of one stage's samples, computed as in `bench/records/record.py`.
public enum Statistics {
    /// The value that so many percent do not exceed, between two neighbours in proportion.
    ///
    /// - Precondition: There is a value.
    public static func percentile(_ values: [Double], _ percent: Double) -> Double {
        let ordered = values.sorted()
        let place = Double(ordered.count - 1) * percent / 100
        let below = Int(place)
        let above = min(below + 1, ordered.count - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (place - Double(below))
    }

    public static func median(_ values: [Double]) -> Double {
        percentile(values, 50)
    }

    /// Half the distance between the quartiles; 0 of a single value.
    public static func spread(_ values: [Double]) -> Double {
        (percentile(values, 75) - percentile(values, 25)) / 2
    }
}

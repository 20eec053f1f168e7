/// When to stop: after at least so many runs and seconds, or after `cap` seconds if there are `least` runs by then.
public struct StopRule: Sendable, Equatable {
    public var runs: Int
    public var seconds: Double
    /// Seconds at which slow models stop early.
    public var cap = Double.infinity
    /// Runs that even they make.
    public var least = 1

    func reached(runs: Int, seconds: Double) -> Bool {
        (runs >= self.runs && seconds >= self.seconds) || (runs >= least && seconds >= cap)
    }
}

/// A named part of one run.
struct Stage {
    let name: String
    let call: () throws -> Void
}

/// What repeated runs took.
struct Timings {
    /// By stage one number a run, in the order of the runs.
    let samples: [String: [Double]]
    /// When each run ended: seconds since the first of them began.
    let ends: [Double]

    /// Latency over time: for every second in which runs ended, its end and their median in milliseconds.
    ///
    /// The definition of `bench/measure/timing.py`.
    var bySecond: [[Double]] {
        let totals = ends.indices.map { run in samples.values.reduce(0) { $0 + $1[run] } }
        let seconds = Dictionary(grouping: ends.indices) { Int(ends[$0]) }
        return seconds.sorted { $0.key < $1.key }.map { second, runs in
            [Double(second) + 1, Statistics.median(runs.map { totals[$0] })]
        }
    }
}

/// Repeats the stages of a run as `bench/measure/timing.py` does.
struct StageTimer {
    let stages: [Stage]
    /// Seconds of a clock that never goes back.
    let clock: () -> Double
    /// Called after every run with the seconds since the first of them began, outside of what is timed.
    let alive: (Double) -> Void

    /// Runs all stages in order; returns the milliseconds of each.
    func once() throws -> [Double] {
        try stages.map { stage in
            let start = clock()
            try stage.call()
            return (clock() - start) * 1e3
        }
    }

    /// Runs until it is enough.
    ///
    /// - Throws: What a stage throws; `CancellationError` when the task was cancelled.
    func `repeat`(until stop: StopRule) throws -> Timings {
        var samples: [[Double]] = []
        var ends: [Double] = []
        let start = clock()
        while !stop.reached(runs: samples.count, seconds: ends.last ?? 0) {
            try Task.checkCancellation()
            samples.append(try once())
            ends.append(clock() - start)
            alive(clock() - start)
        }
        let byStage = stages.indices.map { index in (stages[index].name, samples.map { $0[index] }) }
        return Timings(samples: Dictionary(uniqueKeysWithValues: byStage), ends: ends)
    }
}

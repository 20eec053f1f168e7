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

/// Repeats the stages of a run as `bench/measure/timing.py` does.
struct StageTimer {
    let stages: [Stage]
    /// Seconds of a clock that never goes back.
    let clock: () -> Double
    /// Called after every run, outside of what is timed.
    let alive: () -> Void

    /// Runs all stages in order; returns the milliseconds of each.
    func once() throws -> [Double] {
        try stages.map { stage in
            let start = clock()
            try stage.call()
            return (clock() - start) * 1e3
        }
    }

    /// Runs until it is enough; returns by stage one number a run in the order of the runs.
    func `repeat`(until stop: StopRule) throws -> [String: [Double]] {
        var samples: [[Double]] = []
        let start = clock()
        while !stop.reached(runs: samples.count, seconds: clock() - start) {
            samples.append(try once())
            alive()
        }
        return Dictionary(
            uniqueKeysWithValues: stages.indices.map { index in
                (stages[index].name, samples.map { $0[index] })
            })
    }
}

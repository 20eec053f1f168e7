package org.minivlm.core

/** Nanoseconds of a clock that never goes back; tests have their own. */
typealias Clock = () -> Long

private const val NANOS_PER_MS = 1e6
private const val NANOS_PER_SECOND = 1e9

/** A named part of one run. */
class Stage(
    val name: String,
    val run: () -> Unit,
)

/**
 * When to stop: after at least [runs] runs and [seconds] seconds, or after [cap] seconds with [least] runs by then.
 *
 * The rule of `bench/measure/timing.py`.
 */
data class Stop(
    val runs: Int,
    val seconds: Double,
    val cap: Double = Double.POSITIVE_INFINITY,
    val least: Int = 1,
) {
    /** Whether so many runs in so many seconds are enough. */
    fun reached(
        runs: Int,
        seconds: Double,
    ): Boolean = (runs >= this.runs && seconds >= this.seconds) || (runs >= least && seconds >= cap)
}

/** Runs stages one after another and measures each. */
class Timer(
    private val clock: Clock = System::nanoTime,
) {
    /** Runs [work] and returns its result with the milliseconds that it took. */
    fun <T> time(work: () -> T): Pair<T, Double> {
        val start = clock()
        val result = work()
        return result to (clock() - start) / NANOS_PER_MS
    }

    /** Runs all stages once, and returns the milliseconds of each. */
    fun once(stages: List<Stage>): List<Double> = stages.map { time(it.run).second }

    /**
     * Runs all stages again and again.
     *
     * @param after called with the seconds since the first of these runs began after each, outside of what is timed.
     */
    fun repeat(
        stages: List<Stage>,
        stop: Stop,
        after: (Double) -> Unit = {},
    ): Timings {
        val samples = stages.map { ArrayList<Double>() }
        val ends = ArrayList<Double>()
        val start = clock()
        var seconds = 0.0
        while (!stop.reached(ends.size, seconds)) {
            once(stages).forEachIndexed { index, elapsed -> samples[index] += elapsed }
            seconds = (clock() - start) / NANOS_PER_SECOND
            ends += seconds
            after(seconds)
        }
        return Timings(stages.map { it.name }.zip(samples).toMap(), ends)
    }
}

/**
 * What repeated runs took.
 *
 * @property samples by stage, milliseconds of every run.
 * @property ends when each run ended, in seconds since the first began.
 */
class Timings(
    val samples: Map<String, List<Double>>,
    private val ends: List<Double>,
) {
    /**
     * Returns latency over time: for every second in which runs ended, its end and their median in milliseconds.
     *
     * The definition of `bench/measure/timing.py`.
     */
    fun bySecond(): List<Pair<Double, Double>> {
        val totals = ends.indices.map { run -> samples.values.sumOf { it[run] } }
        val seconds = ends.indices.groupBy { ends[it].toInt() }
        return seconds.map { (second, runs) -> second + 1.0 to percentile(runs.map { totals[it] }, 50.0) }
    }
}

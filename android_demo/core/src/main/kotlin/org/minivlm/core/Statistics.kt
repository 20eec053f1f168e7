package org.minivlm.core

/**
 * Returns the value that [percent] percent of [values] do not exceed, between two neighbours in proportion.
 *
 * The definition of `bench/records/record.py` and of numpy's "linear".
 */
fun percentile(
    values: List<Double>,
    percent: Double,
): Double {
    require(values.isNotEmpty()) { "nothing was measured" }
    val ordered = values.sorted()
    val place = (ordered.size - 1) * percent / 100.0
    val below = place.toInt()
    val above = minOf(below + 1, ordered.lastIndex)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
}

/** Median and tail of a list of times, in their unit. */
data class Summary(
    val median: Double,
    val p90: Double,
    val p99: Double,
) {
    companion object {
        /** Summarises at least one value. */
        fun of(values: List<Double>): Summary =
            Summary(percentile(values, 50.0), percentile(values, 90.0), percentile(values, 99.0))
    }
}

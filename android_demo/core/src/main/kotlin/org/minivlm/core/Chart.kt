package org.minivlm.core

import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.log10
import kotlin.math.pow

private const val SECONDS_PER_MINUTE = 60.0
private const val WANTED_TICKS = 4

/** A mark on an axis: its place from 0 to 1, and what stands there. */
data class Tick(
    val place: Double,
    val label: String,
)

/** A thermal status that lasted from one place of the time axis to another, both from 0 to 1. */
data class ThermalBand(
    val from: Double,
    val to: Double,
    val status: String,
)

/**
 * Latency over time of a long measurement, ready to be drawn; both axes go from 0 to 1, the vertical one upwards.
 *
 * @property points (time, latency), by time; the latency axis begins at 0 ms.
 * @property times ticks of the time axis, [latencies] of the other.
 * @property bands the thermal statuses, one after another; none where the phone does not tell.
 * @property description the same in words, for people who do not see it.
 */
class Chart private constructor(
    val points: List<Pair<Double, Double>>,
    val times: List<Tick>,
    val latencies: List<Tick>,
    val bands: List<ThermalBand>,
    val description: String,
) {
    companion object {
        /**
         * Makes a chart.
         *
         * @param sustained seconds since the start and milliseconds, by time; at least one.
         * @param states seconds since the start and the thermal status from then on, by time.
         */
        fun of(
            sustained: List<Pair<Double, Double>>,
            states: List<Pair<Double, String>>,
        ): Chart {
            val end = sustained.last().first
            val highest = sustained.maxOf { it.second }
            val step = niceStep(highest)
            val top = step * ceil(highest / step)
            val ends = states.drop(1).map { it.first } + end
            return Chart(
                points = sustained.map { (second, time) -> second / end to time / top },
                times = timeTicks(end),
                latencies = ticks(step, top) { "%s ms".format(plain(it)) },
                bands =
                    states.zip(ends).map { (state, until) ->
                        ThermalBand(minOf(state.first / end, 1.0), minOf(until / end, 1.0), state.second)
                    },
                description = describe(sustained, states),
            )
        }

        private fun timeTicks(end: Double): List<Tick> {
            val inMinutes = end >= 2 * SECONDS_PER_MINUTE
            val unit = if (inMinutes) SECONDS_PER_MINUTE else 1.0
            val name = if (inMinutes) "min" else "s"
            return ticks(niceStep(end / unit), end / unit) { "${plain(it)} $name" }
        }

        private fun describe(
            sustained: List<Pair<Double, Double>>,
            states: List<Pair<Double, String>>,
        ): String {
            val (end, last) = sustained.last()
            val latency =
                "%s: %.1f ms at first, %.1f ms at the end, at most %.1f ms"
                    .format(duration(end), sustained.first().second, last, sustained.maxOf { it.second })
            val thermal = states.joinToString { (second, status) -> "$status from ${duration(second)} on" }
            return if (states.isEmpty()) latency else "$latency; thermal status $thermal"
        }

        private fun duration(seconds: Double): String =
            if (seconds <
                2 * SECONDS_PER_MINUTE
            ) {
                "%.0f s".format(seconds)
            } else {
                "%.1f min".format(seconds / SECONDS_PER_MINUTE)
            }
    }
}

/** Returns 1, 2 or 5 times a power of ten, so that about [WANTED_TICKS] steps reach [highest], which is above 0. */
internal fun niceStep(highest: Double): Double {
    val rough = highest / WANTED_TICKS
    val power = 10.0.pow(floor(log10(rough)))
    return power * listOf(1.0, 2.0, 5.0, 10.0).first { it * power >= rough * (1 - 1e-9) }
}

private fun ticks(
    step: Double,
    top: Double,
    label: (Double) -> String,
): List<Tick> = (0..floor(top / step + 1e-9).toInt()).map { Tick(it * step / top, label(it * step)) }

/** A tick's number without digits that say nothing. */
private fun plain(value: Double): String = "%.3f".format(java.util.Locale.ROOT, value).trimEnd('0').trimEnd('.')

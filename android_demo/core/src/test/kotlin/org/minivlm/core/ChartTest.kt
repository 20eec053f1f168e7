package org.minivlm.core

import org.junit.Assert.assertEquals
import org.junit.Test

/** A long measurement as a picture and in words. Expected numbers are worked out by hand. */
class ChartTest {
    private val tenMinutes = listOf(60.0 to 40.0, 300.0 to 70.0, 600.0 to 76.0)

    @Test
    fun `points lie between the start and the end, and between 0 ms and the tick above the slowest`() {
        val chart = Chart.of(tenMinutes, emptyList())
        // 76 ms in about four steps: 20 ms each, up to 80.
        assertEquals(listOf(0.1 to 0.5, 0.5 to 0.875, 1.0 to 0.95), chart.points)
        assertEquals(listOf("0 ms", "20 ms", "40 ms", "60 ms", "80 ms"), chart.latencies.map { it.label })
        assertEquals(listOf(0.0, 0.25, 0.5, 0.75, 1.0), chart.latencies.map { it.place })
    }

    @Test
    fun `time is told in minutes from two minutes on`() {
        val long = Chart.of(tenMinutes, emptyList())
        assertEquals(listOf("0 min", "5 min", "10 min"), long.times.map { it.label })
        val short = Chart.of(listOf(1.0 to 4.0, 3.0 to 4.0), emptyList())
        assertEquals(listOf("0 s", "1 s", "2 s", "3 s"), short.times.map { it.label })
        assertEquals(2.0 / 3.0, short.times[2].place, 1e-12)
    }

    @Test
    fun `a thermal status lasts until the next one, the last until the end`() {
        val chart = Chart.of(tenMinutes, listOf(0.0 to "none", 150.0 to "light", 480.0 to "moderate"))
        val expected =
            listOf(ThermalBand(0.0, 0.25, "none"), ThermalBand(0.25, 0.8, "light"), ThermalBand(0.8, 1.0, "moderate"))
        assertEquals(expected, chart.bands)
    }

    @Test
    fun `a status that came after the last full second does not leave the picture`() {
        // Latency is told by seconds; the status is asked for as soon as a run ends.
        val bands = Chart.of(listOf(1.0 to 4.0), listOf(0.0 to "none", 1.008 to "light")).bands
        assertEquals(listOf(ThermalBand(0.0, 1.0, "none"), ThermalBand(1.0, 1.0, "light")), bands)
    }

    @Test
    fun `the description says what is seen`() {
        val chart = Chart.of(tenMinutes, listOf(0.0 to "none", 150.0 to "light"))
        assertEquals(
            "10.0 min: 40.0 ms at first, 76.0 ms at the end, at most 76.0 ms; " +
                "thermal status none from 0 s on, light from 2.5 min on",
            chart.description,
        )
    }

    @Test
    fun `steps are 1, 2 or 5 times a power of ten`() {
        val highest = listOf(0.004, 0.3, 4.0, 5.0, 8.0, 9.0, 21.0, 1000.0)
        assertEquals(listOf(0.001, 0.1, 1.0, 2.0, 2.0, 5.0, 10.0, 500.0), highest.map { rounded(niceStep(it)) })
    }

    private fun rounded(step: Double) = "%.6f".format(java.util.Locale.ROOT, step).toDouble()
}

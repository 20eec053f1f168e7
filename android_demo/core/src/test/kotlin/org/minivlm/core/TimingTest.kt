package org.minivlm.core

import org.junit.Assert.assertEquals
import org.junit.Test

/** The stop rules and latency over time of `bench/measure/timing.py`. */
class TimingTest {
    @Test
    fun `it stops when runs and seconds are reached, or at the cap with the least`() {
        val stop = Stop(runs = 10, seconds = 5.0, cap = 30.0, least = 3)
        assertEquals(false, stop.reached(10, 4.9))
        assertEquals(false, stop.reached(9, 29.0))
        assertEquals(true, stop.reached(10, 5.0))
        assertEquals(false, stop.reached(2, 31.0))
        assertEquals(true, stop.reached(3, 30.0))
    }

    @Test
    fun `every second has the median of the runs that ended in it`() {
        // Arithmetic: runs of 400, 500, 800, 300 ms end at 0.4, 0.9, 1.7 and 2.0 s; a second without an end is left out.
        val runs = listOf(400.0, 500.0, 800.0, 300.0)
        val timings =
            Timings(mapOf("a" to runs.map { it / 4 }, "b" to runs.map { it * 3 / 4 }), listOf(0.4, 0.9, 1.7, 2.0))
        assertEquals(listOf(1.0 to 450.0, 2.0 to 800.0, 3.0 to 300.0), timings.bySecond())
    }

    @Test
    fun `whoever watches is called after every run, in time`() {
        var now = 0L
        val seen = ArrayList<Double>()
        val timer = Timer { now }
        val timings = timer.repeat(listOf(Stage("a") { now += 1_500_000_000L }), Stop(2, 0.0)) { seen += it }
        assertEquals(listOf(1.5, 3.0), seen)
        assertEquals(listOf(2.0 to 1500.0, 4.0 to 1500.0), timings.bySecond())
    }
}

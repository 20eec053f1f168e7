package org.minivlm.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

/** Percentiles as numpy's "linear" defines them, which bench/ uses. */
class StatisticsTest {
    @Test
    fun `between two neighbours in proportion`() {
        // Arithmetic: place (n - 1) * percent / 100 in the sorted list.
        assertEquals(Summary(median = 2.5, p90 = 3.7, p99 = 3.97), Summary.of(listOf(4.0, 1.0, 3.0, 2.0)))
        assertEquals(10.0, percentile((0..20).map { it.toDouble() }, 50.0), 0.0)
        assertEquals(18.0, percentile((0..20).map { it.toDouble() }, 90.0), 0.0)
    }

    @Test
    fun `of one value it is that value`() {
        assertEquals(Summary(7.0, 7.0, 7.0), Summary.of(listOf(7.0)))
    }

    @Test
    fun `the order of the values does not matter, and the ends are the extremes`() {
        val random = java.util.Random(1)
        repeat(200) {
            val values = List(1 + random.nextInt(30)) { random.nextDouble() }
            for (percent in listOf(0.0, 12.5, 50.0, 100.0)) {
                assertEquals(percentile(values, percent), percentile(values.shuffled(random), percent), 0.0)
            }
            assertEquals(values.min(), percentile(values, 0.0), 0.0)
            assertEquals(values.max(), percentile(values, 100.0), 0.0)
        }
    }

    @Test
    fun `nothing has no percentile`() {
        assertThrows(IllegalArgumentException::class.java) { percentile(emptyList(), 50.0) }
    }
}

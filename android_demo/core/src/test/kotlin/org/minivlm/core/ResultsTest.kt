package org.minivlm.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

/** What the screen with measurements shows of the records that the Python tests read, too. */
class ResultsTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val results = Results.read(Fixtures.file("records/android.jsonl"))

    @Test
    fun `the newest record is the first`() {
        assertEquals(3, results.views.size)
        assertTrue(results.views.all { it.title.startsWith("minivlm-tiny, executorch fp32") })
        assertEquals("", results.message)
        assertTrue(results.canShare)
    }

    @Test
    fun `a record that went well has the median of a run and of each stage`() {
        val view = results.views[2]
        assertEquals("minivlm-tiny, executorch fp32, 4 threads", view.title)
        val stages = listOf("preprocess", "regions", "prefill", "steps").map { "$it: median 1.0 ms" }
        val expected = listOf("2026-01-01T00:00:00Z, profile quick", "a run: median 4.0 ms") + stages + "3 runs"
        assertEquals(expected, view.lines)
        assertEquals(null, view.chart)
    }

    @Test
    fun `a record that failed has its reason`() {
        val view = results.views[1]
        assertEquals("minivlm-tiny, executorch fp32", view.title)
        assertEquals("failed: the program is of a newer version", view.lines[1])
    }

    @Test
    fun `a long measurement has a chart of its latency and thermal statuses`() {
        val chart = checkNotNull(results.views[0].chart)
        assertEquals(listOf(0.5 to 1.0, 1.0 to 1.0), chart.points)
        assertEquals(listOf("none", "light"), chart.bands.map { it.status })
        assertEquals(0.504, chart.bands[1].from, 1e-12)
        val lines = results.views[0].lines
        assertTrue("the record says what interfered with it", lines.none { it.startsWith("interference") })
    }

    @Test
    fun `a phone that does not tell its thermal status has a chart without it`() {
        val line = Fixtures.file("records/android.jsonl").readLines()[2]
        val unknown = line.replace("[[0.0,\"none\"],[1.008,\"light\"]]", "[[0.0,\"unknown\"]]")
        assertEquals(emptyList<ThermalBand>(), checkNotNull(read(unknown).views.single().chart).bands)
    }

    @Test
    fun `what interfered with a measurement is said`() {
        val line = Fixtures.file("records/android.jsonl").readLines()[0]
        val interfered = line.replace("\"disturbed\":[]", "\"disturbed\":[\"the phone was saving power\"]")
        assertEquals(
            "interference: the phone was saving power",
            read(interfered)
                .views
                .single()
                .lines
                .last(),
        )
    }

    @Test
    fun `a line that is no record hides no other and is counted`() {
        val good = Fixtures.file("records/android.jsonl").readLines()[0]
        val read = read("{", "[]", good, "{\"model\":1}", good.replace("\"samples\":{", "\"samples\":{\"a\":[],"))
        assertEquals(1, read.views.size)
        assertEquals("4 lines of records.jsonl are no records", read.message)
    }

    @Test
    fun `without a record it says how to measure`() {
        for (nothing in listOf(Results.read(File(folder.root, RECORDS)), read(""))) {
            assertTrue(nothing.message, "python bench/run.py --device android" in nothing.message)
            assertFalse(nothing.canShare)
        }
    }

    private fun read(vararg lines: String): Results {
        val file = File(folder.root, "records.jsonl")
        file.writeText(lines.joinToString("\n"))
        return Results.read(file)
    }
}

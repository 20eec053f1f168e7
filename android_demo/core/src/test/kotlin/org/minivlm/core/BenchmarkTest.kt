package org.minivlm.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

/** From extras to a record, as docs/phones-android.md promises the host. */
class BenchmarkTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val files get() = folder.root
    private val phone = FakePhone()
    private val networks = FakeNetworks()
    private var loading: () -> Networks = { networks }
    private val reported = ArrayList<JsonObject>()

    private val extras =
        mapOf(
            "artifact" to "minivlm-tiny-executorch-fp32.pte",
            "photo" to "photo.png",
            "run" to "20260101T000000Z",
            "round" to 1,
            "profile" to "quick",
            "warmup_runs" to 1,
            "warmup_seconds" to 0f,
            "runs" to 3,
            "seconds" to 0f,
            "threads" to 4,
        )

    @Before
    fun putFiles() = FakeModel(files).write()

    @Test
    fun `a whole model leaves a record with a sample for every run and stage`() {
        run(extras)
        val record = records().single()
        assertEquals("ok", record["status"])
        val samples = record.child("samples")
        assertEquals(listOf("preprocess", "regions", "prefill", "steps"), samples.keys.toList())
        assertTrue(samples.values.all { (it as List<*>).size == 3 })
        assertEquals(19L, record["tokens"])
        val steps = networks.calls.count { it == "step" }
        assertEquals("first run, warm-up and three that count, 19 tokens each", 5 * 19, steps)
        assertTrue("the runtime's memory is given back", networks.closed)
    }

    @Test
    fun `a part runs on the inputs that it was verified with`() {
        FakeModel(files, "tee-tiny", FakeModel.PART).write()
        val part = extras + ("artifact" to "tee-tiny-executorch-fp32.pte")
        run(part)
        val record = records().single()
        assertEquals("tee-tiny", record["model"])
        assertEquals(mapOf("forward" to listOf(1.0, 1.0, 1.0)), record["samples"])
        assertEquals(null, record["tokens"])
        assertEquals(listOf(1L, 3L, 32L, 32L), record.child("inputs")["image"])
        assertEquals("photo.png", record.child("photo")["name"])
        assertEquals(5, networks.calls.count { it == "forward" })

        File(files, "inputs/tee-tiny-executorch-fp32").deleteRecursively()
        run(part - "photo")
        assertTrue(status().toString(), "parity.json is not in" in status().field<String>("message"))
    }

    @Test
    fun `times are the clock's`() {
        // The clock moves on by 1 ms whenever it is read, so that a stage takes 1 ms and loading, too.
        run(extras)
        val record = records().single()
        assertEquals(listOf(1.0, 1.0, 1.0), record.child("samples")["steps"])
        assertEquals(1.0, record["load_ms"])
        assertEquals("four stages", 4.0, record["first_ms"])
    }

    @Test
    fun `the record is the sample that Python reads`() {
        run(extras)
        loading = { throw UserError("the program is of a newer version") }
        run(extras + ("round" to 2))
        loading = { networks }
        phone.thermal.addAll(listOf("none", "none", "none", "light"))
        run(extras + mapOf("round" to 3, "runs" to 1, "seconds" to 1.001f, "sustained" to true))
        val sample = Fixtures.file("records/android.jsonl").readText()
        assertEquals("copy the new lines there after a change of the schema", sample, output().readText())
    }

    @Test
    fun `the status goes through the steps to its end`() {
        run(extras + ("verify" to true))
        val steps = listOf("starting", "cooling down", "loading", "warming up", "measuring", "verifying", "writing")
        assertEquals(steps + "writing", reported.map { it["step"] })
        assertEquals("finished", status()["state"])
        assertEquals(listOf<Any?>("20260101T000000Z", 1L, null), listOf("run", "round", "message").map { status()[it] })
    }

    @Test
    fun `a model that fails leaves a record and says why`() {
        loading = { throw UserError("the program is of a newer version") }
        run(extras)
        val error = records().single().child("error")
        assertEquals("the program is of a newer version", error["reason"])
        assertEquals(listOf("the runtime's last words"), error["stderr"])
        assertEquals("failed", status()["state"])
        assertEquals("the program is of a newer version", status()["message"])
    }

    @Test
    fun `running out of memory is told like any failure`() {
        loading = { throw OutOfMemoryError("no room") }
        run(extras)
        val reason = "the phone has too little memory for this (no room): take a smaller model"
        assertEquals(reason, records().single().child("error")["reason"])
        assertEquals("failed", status()["state"])
    }

    @Test
    fun `a library that does not load leaves a record, too`() {
        loading = { throw UnsatisfiedLinkError("dlopen failed: library \"libexecutorch.so\" not found") }
        run(extras)
        val reason = records().single().child("error").field<String>("reason")
        assertTrue(reason, "libexecutorch.so" in reason)
        assertEquals("failed", status()["state"])
    }

    @Test
    fun `a long measurement has latency and thermal status over time`() {
        FakeModel(files, "tee-tiny", FakeModel.PART).write()
        phone.thermal.addAll(listOf("none", "none", "none", "light", "light", "moderate"))
        val part =
            mapOf(
                "artifact" to "tee-tiny-executorch-fp32.pte",
                "runs" to 1,
                "seconds" to 2.5f,
                "sustained" to true,
            )
        run(extras + part)
        val record = records().single()
        // The clock moves on by 1 ms whenever it is read, three times a run: one second has 333 runs and a bit.
        assertEquals(listOf(listOf(1.0, 1.0), listOf(2.0, 1.0), listOf(3.0, 1.0)), record["sustained"])
        val states = record.child("environment").field<List<List<Any?>>>("thermal_states")
        assertEquals(listOf<Any?>("none", "light"), states.map { it[1] })
        assertEquals("the first look is at the start", 0.0, states[0][0])
        assertEquals("a look a second, the next sees a change", 1.0, states[1][0] as Double, 0.01)
        assertEquals("moderate", record.child("environment")["thermal_after"])
        val lines = listOf("the thermal status after the runs was moderate")
        assertEquals(lines, record["disturbed"])
    }

    @Test
    fun `a measurement out of sight says so, and what was before it does not count`() {
        phone.hidden.addAll(listOf(true, false))
        run(extras)
        assertEquals(emptyList<Any>(), records().single()["disturbed"])
        output().delete()
        phone.hidden.addAll(listOf(false, true))
        run(extras)
        assertEquals(listOf("the app was out of sight while it ran"), records().single()["disturbed"])
    }

    @Test
    fun `records are added to those that are there`() {
        run(extras)
        run(extras + ("round" to 2))
        assertEquals(listOf<Any?>(1L, 2L), records().map { it["round"] })
    }

    @Test
    fun `a line that was cut off does not swallow the next record`() {
        output().apply { parentFile!!.mkdirs() }.writeText("{\"format\":2,\"ru")
        run(extras)
        assertEquals("ok", (Json.parse(output().readLines()[1]) as Map<*, *>)["status"])
    }

    @Test
    fun `a hot phone is waited for, but not forever`() {
        phone.thermal.addAll(listOf("severe", "moderate", "none"))
        run(extras)
        assertEquals(2.0, records().single().child("environment")["cooled_seconds"])
        assertEquals(emptyList<Any>(), records().single()["disturbed"])

        output().delete()
        phone.thermal.addAll(List(30) { "severe" })
        run(extras + ("cool_down" to 5f))
        val record = records().single()
        assertEquals(5.0, record.child("environment")["cooled_seconds"])
        val lines =
            listOf("the thermal status before the runs was severe", "the thermal status after the runs was severe")
        assertEquals(lines, record["disturbed"])
    }

    @Test
    fun `verification leaves every output with its checksum`() {
        run(extras + ("verify" to true))
        assertEquals("finished", status()["state"])

        val outputs = File(files, "results/minivlm-tiny-executorch-fp32")
        assertEquals(listOf(1f, 2f, 3f, 4f, 5f, 6f), littleEndianFloats(File(outputs, "regions-features.bin")))
        val listed = Json.readObject(File(outputs, "outputs.json")).children("methods")
        assertEquals(listOf("regions", "prefill", "step", "vqa"), listed.map { it["name"] })
        val tags = listed[0].children("outputs")[3]
        assertEquals(listOf<Any?>("tags", listOf(3L), "int64"), listOf("name", "shape", "dtype").map { tags[it] })
        for (output in listed.flatMap { it.children("outputs") }) {
            assertEquals(output["sha256"], sha256(File(outputs, output.field<String>("file"))))
        }
    }

    @Test
    fun `damaged files are told apart from wrong models`() {
        val inputs = "inputs/minivlm-tiny-executorch-fp32"
        val mistakes =
            mapOf(
                "models/minivlm-tiny-executorch-fp32.pte" to "is not what its sidecar describes",
                "models/minivlm-tiny-executorch-fp32.json" to "is damaged",
                "models/minivlm-tiny-executorch-fp32-words/vocab.txt" to "the vocabulary lacks",
            )
        for ((path, message) in mistakes) {
            val file = File(files, path)
            val whole = file.readBytes()
            file.writeText("[")
            run(extras)
            assertTrue(status().toString(), message in status().field<String>("message"))
            file.delete()
            run(extras)
            assertTrue(status().toString(), "copy it there" in status().field<String>("message"))
            file.writeBytes(whole)
        }
        assertFalse("a missing file is no measurement", output().exists())
        File(files, "$inputs/regions-image.bin").appendText("x")
        run(extras + ("verify" to true))
        assertTrue("missing or cut off" in status().field<String>("message"))
    }

    @Test
    fun `a wrong extra is named and leaves no record`() {
        val mistakes =
            mapOf(
                extras - "run" to "the extra 'run' is missing",
                extras - "runs" to "the extra 'runs' is missing",
                extras - "threads" to "the extra 'threads' is missing",
                extras - "photo" to "the extra 'photo' is missing",
                extras + ("threads" to 0) to "the extra 'threads' is '0': give at least 1, with --ei",
                extras + ("threads" to "4") to "the extra 'threads' is '4': give a whole number, with --ei",
                extras + ("seconds" to Float.NaN) to "the extra 'seconds' is 'NaN': give seconds from 0 on, with --ef",
                extras + ("output" to "../records.jsonl") to "'output' is '../records.jsonl': give a plain file name",
                extras + ("artefact" to "a") to "unknown extra 'artefact': there are accelerator, artifact, ",
                emptyMap<String, Any?>() to "the extra 'artifact' is missing",
            )
        for ((wrong, message) in mistakes) {
            run(wrong)
            assertEquals("failed", status()["state"])
            assertTrue("${status()["message"]} has no $message", message in status().field<String>("message"))
        }
        assertFalse(output().exists())
    }

    private fun run(extras: Map<String, Any?>) {
        var time = 0L
        val clock = { (time++) * 1_000_000L }
        val runtime =
            object : Runtime {
                override fun open(
                    artifact: File,
                    threads: Int,
                ): Networks = loading()

                override fun log() = listOf("the runtime's last words")
            }
        val report: (String) -> Unit = { reported += readObject(it) }
        Benchmark(files, phone, runtime, { Fixtures.photo("preprocess/photo.png") }, Timer(clock), report).run(extras)
    }

    private fun output() = File(files, "results/records.jsonl")

    private fun records() = output().readLines().map { readObject(it) }

    private fun status() = Json.readObject(File(files, "results/status.json"))
}

@Suppress("UNCHECKED_CAST") // what is read from an object has String keys
private fun readObject(line: String): JsonObject = Json.parse(line) as JsonObject

/** A phone that is always the same, but for its thermal status and whether the app is in sight. */
private class FakePhone : Phone {
    val thermal = ArrayDeque<String>()
    val hidden = ArrayDeque<Boolean>()

    override fun thermalStatus() = thermal.removeFirstOrNull() ?: "none"

    override fun savesPower() = false

    override fun lostForeground() = hidden.removeFirstOrNull() ?: false

    override fun residentBytes() = 100_000_000L

    override fun peakResidentBytes() = 250_000_000L

    override fun describe() = mapOf("cpu" to "Example SoC", "cores" to 8, "system" to "Android 14 (API 34)")

    override fun now() = "2026-01-01T00:00:00Z"

    override fun sleep(milliseconds: Long) = Unit
}

package org.minivlm.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

/** A host asks for an accelerator: it gets that one or a failure, and the record names it. */
class UnitsTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val files get() = folder.root
    private val cpu = FakeRuntime(CPU)
    private val gpu = FakeRuntime(GPU, CPU)
    private val accelerators =
        listOf(
            Accelerator("CPU", cpu) { it.runtime == "litert" },
            Accelerator("GPU", gpu) { it.runtime == "litert" && it.precision == "fp32" },
        )
    private lateinit var artifact: File

    private val extras
        get() =
            mapOf(
                "artifact" to artifact.name,
                "photo" to "photo.png",
                "run" to "20260101T000000Z",
                "round" to 0,
                "profile" to "quick",
                "warmup_runs" to 1,
                "warmup_seconds" to 0f,
                "runs" to 2,
                "seconds" to 0f,
                "threads" to 4,
                "cool_down" to 0f,
                "accelerator" to GPU,
            )

    @Before
    fun putFiles() {
        artifact = FakeModel(files).apply { write() }.alsoFor("litert")
    }

    @Test
    fun `an artifact is opened on the unit that was asked for`() {
        UnitRuntime(accelerators, GPU).open(artifact, 4)
        assertEquals(listOf(artifact.name) to emptyList<String>(), gpu.opened to cpu.opened)
        UnitRuntime(accelerators, CPU).open(artifact, 4)
        assertEquals(listOf(artifact.name), cpu.opened)
    }

    @Test
    fun `the last words are those of what was opened`() {
        val runtime = UnitRuntime(accelerators, GPU)
        assertEquals(emptyList<String>(), runtime.log())
        runtime.open(artifact, 4)
        assertEquals(listOf("the words of gpu, cpu"), runtime.log())
    }

    @Test
    fun `a unit that does not run an artifact is refused with those that do`() {
        val program = File(files, "models/minivlm-tiny-executorch-fp32.pte")
        val nothing = "export it for another runtime"
        for ((runtime, file, wayOut) in listOf(
            Triple(UnitRuntime(accelerators.take(1), GPU), artifact, "ask for cpu"),
            Triple(UnitRuntime(accelerators, GPU), program, nothing),
        )) {
            val mistake = assertThrows(UserError::class.java) { runtime.open(file, 4) }.message.orEmpty()
            assertTrue(mistake, "which this app does not run on the gpu: $wayOut" in mistake)
        }
    }

    @Test
    fun `the record is the sample that Python reads`() {
        run(extras)
        val sample = Fixtures.file("records/android_gpu.jsonl").readText()
        assertEquals("copy the new line there after a change of the schema", sample, output().readText())
        assertTrue(
            Results
                .read(output())
                .views
                .single()
                .title
                .startsWith("minivlm-tiny, litert fp32 on the gpu, 4 thr"),
        )
    }

    @Test
    fun `a measurement never falls back`() {
        gpu.refused[artifact.name] = "no OpenCL on this phone"
        run(extras)
        val record = Json.readObject(output())
        assertEquals("failed", record["status"])
        assertEquals(GPU, record["accelerator"])
        assertEquals("no OpenCL on this phone", record.child("error")["reason"])
        assertEquals(emptyList<String>(), cpu.opened)
    }

    @Test
    fun `a record of the CPU is as it was before there was a choice`() {
        run(extras + ("accelerator" to CPU))
        val record = Json.readObject(output())
        assertFalse("accelerator" in record)
        assertFalse("units" in record.child("environment"))
    }

    @Test
    fun `damaged pieces are found before anything is measured`() {
        val pieces = Artifact.read(artifact).piecesFolder
        pieces.mkdirs()
        File(pieces, "pieces.json").writeText("[")
        run(extras)
        assertFalse(output().exists())
        run(extras + ("accelerator" to CPU))
        assertTrue("the CPU does not need them", output().exists())
    }

    @Test
    fun `another unit is a wrong extra`() {
        val mistake = assertThrows(UserError::class.java) { BenchmarkRequest.parse(extras + ("accelerator" to "npu")) }
        assertEquals("the extra 'accelerator' is 'npu': give cpu or gpu, with --es", mistake.message)
    }

    private fun output() = File(files, "results/records.jsonl")

    private fun run(extras: Map<String, Any?>) {
        var time = 0L
        val clock = { (time++) * 1_000_000L }
        val runtime = UnitRuntime(accelerators, extras.getValue("accelerator") as String)
        val photo = { _: File -> Fixtures.photo("preprocess/photo.png") }
        Benchmark(files, QuietPhone, runtime, photo, Timer(clock)) {}.run(extras)
    }
}

/** A phone on which nothing happens. */
private object QuietPhone : Phone {
    override fun thermalStatus() = "none"

    override fun savesPower() = false

    override fun lostForeground() = false

    override fun residentBytes() = 100_000_000L

    override fun peakResidentBytes() = 250_000_000L

    override fun describe() = mapOf("cpu" to "Example SoC", "cores" to 8, "system" to "Android 14 (API 34)")

    override fun now() = "2026-01-01T00:00:00Z"

    override fun sleep(milliseconds: Long) = Unit
}

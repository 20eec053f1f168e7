package org.minivlm.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

/** Methods that run in pieces: what Python writes is read, and tensors go from one piece to the next. */
class PartsTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val artifact by lazy { Artifact.read(FakeModel(folder.root).apply { write() }.alsoFor("litert")) }
    private val index get() = File(artifact.piecesFolder, "pieces.json")

    /** The fixture's pieces, as if they were this artifact's. */
    @Before
    fun putPieces() {
        artifact.piecesFolder.mkdirs()
        val fields = Fixtures.json("pieces/pieces.json")
        for (piece in fields.children("methods").flatMap { it.children("pieces") }) {
            File(artifact.piecesFolder, piece.field<String>("file")).writeText("a piece")
        }
        index.writeText(Json.write(fields + ("sha256" to artifact.sha256)))
    }

    @Test
    fun `a network that reads by index is in four pieces, and whole numbers are the CPU's`() {
        val method = PieceFiles.read(artifact).methods.single()
        assertEquals("forward", method.name)
        // A transposition; the convolution; where to read, and reading; the layer for what was read.
        assertEquals(listOf(false, true, false, true), method.parts.map { it.accelerated })
        for (part in method.parts.filter { it.accelerated }) {
            assertEquals(setOf(FLOAT32), (part.inputs + part.outputs).map { it.dtype }.toSet())
        }
        assertEquals(
            INT32,
            method.parts[2]
                .outputs
                .single { it.name == method.outputs[1] }
                .dtype,
        )
        assertEquals(
            listOf(1, 4, 8, 8),
            method.parts[0]
                .inputs
                .single()
                .shape
                .toList(),
        )
        assertEquals(method.inputs, method.parts[0].inputs.map { it.name })
    }

    @Test
    fun `a damaged folder is told from a missing one and from another artifact's`() {
        assertEquals(null, runCatching { PieceFiles.read(artifact) }.exceptionOrNull())
        val mistakes =
            mapOf(
                { json: String -> json.replace(artifact.sha256, "0") } to "has the pieces of another file than",
                { json: String -> json.replace("\"format\":1", "\"format\":2") } to "is damaged (format 2)",
                { json: String -> json.replace("\"accelerated\":true", "\"accelerated\":1") } to "\"accelerated\" is 1",
                { json: String -> json.replace("forward-0.tflite", "../forward-0.tflite") } to "is not in this folder",
                { json: String -> json.take(100) } to "pieces.json is damaged",
            )
        val whole = index.readText()
        for ((change, message) in mistakes) {
            index.writeText(change(whole))
            assertTrue("${mistake()} has no $message", message in mistake())
        }
        index.writeText(whole)
        File(artifact.piecesFolder, "forward-1.tflite").delete()
        assertTrue(mistake(), "forward-1.tflite is missing" in mistake())
        artifact.piecesFolder.deleteRecursively()
        assertTrue(mistake(), "python export/gpu_pieces.py" in mistake())
    }

    @Test
    fun `pieces that nothing feeds are refused`() {
        val fields = Json.readObject(index)
        val methods = fields.children("methods").map { it + ("pieces" to it.children("pieces").drop(1)) }
        index.writeText(Json.write(fields + ("methods" to methods)))
        assertTrue(mistake(), "which nothing gives" in mistake())
    }

    @Test
    fun `a damaged piece is named`() {
        val mistake = assertThrows(UserError::class.java) { PieceFiles.read(artifact).requireIntact() }
        assertTrue(mistake.message, mistake.message.orEmpty().endsWith("is damaged: copy the folder again"))
    }

    @Test
    fun `tensors go from piece to piece in the types that these take`() {
        val loader = ArithmeticLoader()
        val networks = PartedNetworks("a.tflite", listOf(METHOD), loader)
        val inputs = arrayOf(networks.value(longArrayOf(1, 2), 2), networks.value(floatArrayOf(0.5f, 0.25f), 2))
        val (sum, odd) = networks.run("add", *inputs)
        // By hand: 1 + 0.5 and 2 + 0.25, doubled; 1 is odd and 2 is not.
        assertArrayEquals(floatArrayOf(3f, 4.5f), sum.floats(), 0f)
        assertArrayEquals(longArrayOf(1, 0), odd.longs())
        assertTrue("truth values come out as whole numbers", odd.isLong)
        assertEquals(listOf(GPU, CPU), networks.units("add"))
        networks.run("add", *inputs)
        assertEquals("each piece is loaded once", listOf("0.tflite", "1.tflite"), loader.loaded)
        networks.close()
        assertTrue(loader.closed)
    }

    @Test
    fun `a method is loaded when that is asked for, and an unknown one is named`() {
        val loader = ArithmeticLoader()
        val networks = PartedNetworks("a.tflite", listOf(METHOD), loader)
        networks.load("add")
        assertEquals(2, loader.loaded.size)
        val mistake = assertThrows(UserError::class.java) { networks.load("step") }
        assertEquals("a.tflite has no method 'step', only add", mistake.message)
    }

    @Test
    fun `a whole artifact is one part a method, on the CPU`() {
        val methods = PartedMethod.whole(artifact)
        assertEquals(listOf("regions", "prefill", "step", "vqa"), methods.map { it.name })
        assertEquals(listOf("image", "extent"), methods[0].inputs)
        assertTrue(methods.all { it.parts.single().file == artifact.file && !it.parts.single().accelerated })
    }

    @Test
    fun `numbers that a type cannot hold are refused`() {
        val large = HostValue(longArrayOf(1L shl 31), intArrayOf(1))
        assertEquals("2147483648 is no int32", assertThrows(UserError::class.java) { large.of(INT32) }.message)
        assertThrows(UserError::class.java) { large.of(FLOAT32) }
        assertThrows(UserError::class.java) { HostValue(floatArrayOf(1f), intArrayOf(1)).of(INT64) }
        assertThrows(IllegalArgumentException::class.java) { HostValue(floatArrayOf(1f), intArrayOf(2)) }
    }

    private fun mistake() = assertThrows(UserError::class.java) { PieceFiles.read(artifact) }.message.orEmpty()

    private companion object {
        fun spec(
            name: String,
            dtype: String,
        ) = TensorSpec(name, intArrayOf(2), dtype)

        /** On the CPU what is odd and the numbers as floats; on the accelerator twice the sum. */
        val METHOD =
            PartedMethod(
                name = "add",
                inputs = listOf("0", "1"),
                outputs = listOf("4", "3"),
                parts =
                    listOf(
                        Part(
                            File("0.tflite"),
                            "part",
                            listOf(spec("0", INT32)),
                            listOf(spec("2", FLOAT32), spec("3", BOOL)),
                            accelerated = false,
                        ),
                        Part(
                            File("1.tflite"),
                            "part",
                            listOf(spec("1", FLOAT32), spec("2", FLOAT32)),
                            listOf(spec("4", FLOAT32)),
                            accelerated = true,
                        ),
                    ),
            )
    }
}

/** Runs the two parts of the test's method. */
private class ArithmeticLoader : PartLoader {
    val loaded = ArrayList<String>()
    var closed = false

    override fun load(part: Part): LoadedPart {
        loaded += part.file.name
        return LoadedPart { values ->
            val given = values.zip(part.inputs) { value, spec -> value.of(spec.dtype) }
            if (part.accelerated) listOf(doubledSum(given)) else split(given.single() as IntArray)
        }
    }

    override fun close() {
        closed = true
    }

    private fun split(numbers: IntArray) =
        listOf(
            HostValue(FloatArray(2) { numbers[it].toFloat() }, intArrayOf(2)),
            HostValue(BooleanArray(2) { numbers[it] % 2 == 1 }, intArrayOf(2)),
        )

    private fun doubledSum(given: List<Any>): HostValue {
        val (first, second) = given.map { it as FloatArray }
        return HostValue(FloatArray(2) { 2 * (first[it] + second[it]) }, intArrayOf(2))
    }
}

package org.minivlm.core

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A model of made-up numbers, with the files that belong to it, in the folder of an app. */
class FakeModel(
    private val files: File,
    private val name: String = "minivlm-tiny",
    private val methods: List<FakeMethod> = WHOLE,
) {
    val artifact = File(files, "models/$name-executorch-fp32.pte")

    fun write() {
        put(artifact, "a program".toByteArray())
        put(artifact.resolveSibling("${artifact.nameWithoutExtension}.json"), sidecar().toByteArray())
        val labels = artifact.resolveSibling("${artifact.nameWithoutExtension}-words")
        put(File(labels, "vocab.txt"), Fixtures.vocabulary("vocab_tiny.txt").readBytes())
        put(File(labels, "tags.txt"), "dog\ngrass\nfrisbee\n".toByteArray())
        put(File(labels, "attributes.txt"), "old\nred\n".toByteArray())
        put(File(labels, "answers.txt"), "yes\nno\n".toByteArray())
        put(File(files, "inputs/photo.png"), Fixtures.file("preprocess/photo.png").readBytes())
        writeVerificationInputs()
    }

    /** Verification inputs of every method: zeros. */
    private fun writeVerificationInputs() {
        val folder = File(files, "inputs/${artifact.nameWithoutExtension}")
        val described =
            methods.map { (method, inputs, _) ->
                val listed =
                    inputs.map { (name, shape) ->
                        verificationInput(File(folder, "$method-$name.bin"), name, shape)
                    }
                mapOf("name" to method, "inputs" to listed)
            }
        put(File(folder, "parity.json"), Json.write(mapOf("format" to 1, "methods" to described)).toByteArray())
    }

    private fun verificationInput(
        file: File,
        name: String,
        shape: List<Int>,
    ): JsonObject {
        put(file, ByteArray(4 * shape.fold(1, Int::times)))
        return mapOf(
            "name" to name,
            "shape" to shape,
            "dtype" to "float32",
            "file" to file.name,
            "sha256" to sha256(file),
        )
    }

    private fun sidecar(): String =
        Json.write(
            mapOf(
                "format" to 2,
                "model" to name,
                "runtime" to "executorch",
                "precision" to "fp32",
                "weights" to mapOf("description" to "random (seed 0)", "random" to true, "sha256" to null),
                "sha256" to sha256(artifact),
                "bytes" to artifact.length(),
                "methods" to methods.map { (name, inputs, outputs) -> method(name, inputs, outputs) },
            ),
        )

    private fun method(
        name: String,
        inputs: Map<String, List<Int>>,
        outputs: List<String>,
    ): JsonObject =
        mapOf(
            "name" to name,
            "inputs" to inputs.map { mapOf("name" to it.key, "shape" to it.value, "dtype" to "float32") },
            "outputs" to outputs.map { mapOf("name" to it, "shape" to listOf(1), "dtype" to "float32") },
            "parity" to listOf(mapOf("name" to "SQNR dB", "value" to 123.5, "bound" to 80.0, "at_least" to true)),
            "macs" to 1000,
            "delegated_macs" to 0.75,
        )

    private fun put(
        file: File,
        content: ByteArray,
    ) {
        file.parentFile!!.mkdirs()
        file.writeBytes(content)
    }

    companion object {
        private val DETECTOR =
            FakeMethod(
                "regions",
                mapOf("image" to listOf(1, 3, 32, 32), "extent" to listOf(2)),
                listOf(
                    "features",
                    "boxes",
                    "geometry",
                    "tags",
                    "scores",
                    "attributes",
                    "attribute_scores",
                    "proposals",
                ),
            )

        /** From a photo to captions and answers. */
        val WHOLE =
            listOf(
                DETECTOR,
                FakeMethod("prefill", emptyMap(), listOf("keys", "values")),
                FakeMethod("step", List(7) { "input$it" to listOf(2) }.toMap(), listOf("logits", "keys", "values")),
                FakeMethod("vqa", emptyMap(), listOf("logits")),
            )

        /** What [methods] gave before there were attributes. */
        fun withoutAttributes(methods: List<FakeMethod>): List<FakeMethod> =
            methods.map { method -> method.copy(outputs = method.outputs.filterNot { "attribute" in it }) }

        /** The detector alone. */
        val PART = listOf(DETECTOR.copy(name = "forward"))
    }
}

/** Name, inputs by name with their shapes, and names of the outputs. */
data class FakeMethod(
    val name: String,
    val inputs: Map<String, List<Int>>,
    val outputs: List<String>,
)

/** Three regions whatever the photo, the last of which only fills; captions of the word "a"; the answer is no. */
class FakeNetworks : ArrayNetworks() {
    /** Names of the methods, in the order of their calls. */
    val calls = ArrayList<String>()

    /** By method, what the last call was given. */
    val given = HashMap<String, List<Value>>()

    override fun run(
        method: String,
        vararg inputs: Value,
    ): List<Value> {
        calls += method
        given[method] = inputs.toList()
        return when (method) {
            "regions", "forward" -> regions()
            "prefill" -> List(2) { value(FloatArray(2 * 80), 2, 1, 1, 80, 1) }
            "step" -> listOf(value(FloatArray(400).also { it[WORD] = 1f }, 1, 400), inputs[5], inputs[6])
            "vqa" -> listOf(value(floatArrayOf(-2f, 0f), 1, 2))
            else -> error("no method $method")
        }
    }

    private fun regions(): List<Value> =
        listOf(
            value(floatArrayOf(1f, 2f, 3f, 4f, 5f, 6f), 3, 2),
            value(FloatArray(12) { it.toFloat() }, 3, 4),
            value(FloatArray(18) { it / 10f }, 3, 6),
            value(longArrayOf(2, 0, 0), 3),
            value(floatArrayOf(0.9f, 0.5f, 0f), 3),
            value(longArrayOf(2, 0, 1), 3),
            value(floatArrayOf(0.8f, 0.7f, 0.6f), 3),
            value(FloatArray(8), 2, 4),
        )

    companion object {
        /** Id of the word that every caption repeats. */
        const val WORD = 60
    }
}

/** Reads raw little-endian float32. */
fun littleEndianFloats(file: File): List<Float> {
    val buffer = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
    return List(buffer.remaining()) { buffer[it] }
}

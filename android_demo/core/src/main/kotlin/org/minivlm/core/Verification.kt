package org.minivlm.core

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

private const val FORMAT = 1L
private const val FLOAT = "float32"
private const val LONG = "int64"
private val WIDTHS = mapOf(FLOAT to Float.SIZE_BYTES, LONG to Long.SIZE_BYTES)

/**
 * The inputs that the sidecar's verification metrics come from, as the host copied them: `parity.json` and raw files.
 *
 * docs/phones-android.md, "Verification", fixes the format.
 *
 * @property methods by name, the inputs in order.
 */
class VerificationInputs private constructor(
    private val folder: File,
    private val methods: Map<String, List<JsonObject>>,
) {
    /** Names of the methods. */
    val names: Set<String> get() = methods.keys

    /**
     * Reads the inputs of a method.
     *
     * @return by name, in order.
     * @throws UserError if there are none.
     */
    fun read(
        method: String,
        networks: Networks,
    ): Map<String, Value> {
        val inputs = methods[method] ?: throw UserError("${folder.name}/$NAME has no method '$method': copy it again")
        return inputs.associate { it.field<String>("name") to read(it, networks) }
    }

    private fun read(
        fields: JsonObject,
        networks: Networks,
    ): Value {
        val file = File(folder, fields.field<String>("file"))
        val buffer = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN)
        val shape = fields.longs("shape").map { it.toInt() }.toIntArray()
        return if (fields["dtype"] == LONG) {
            networks.value(LongArray(buffer.remaining() / Long.SIZE_BYTES).also(buffer.asLongBuffer()::get), *shape)
        } else {
            networks.value(FloatArray(buffer.remaining() / Float.SIZE_BYTES).also(buffer.asFloatBuffer()::get), *shape)
        }
    }

    companion object {
        private const val NAME = "parity.json"

        /**
         * Reads `parity.json` of a folder, and checks every file that it names.
         *
         * @throws UserError if something is missing, damaged or of another version.
         */
        fun open(folder: File): VerificationInputs {
            val file = File(folder, NAME)
            if (!file.isFile) throw UserError("${folder.name}/$NAME is not in ${folder.parent}: copy it there")
            val fields = Json.readObject(file)
            try {
                if (fields["format"] != FORMAT) throw JsonError("format ${fields["format"]}")
                val methods = fields.children("methods").associate { it.field<String>("name") to it.children("inputs") }
                methods.values.flatten().forEach { requireFile(it, folder) }
                return VerificationInputs(folder, methods)
            } catch (error: JsonError) {
                throw UserError("${folder.name}/$NAME is damaged (${error.message}): copy it again", error)
            }
        }

        private fun requireFile(
            fields: JsonObject,
            folder: File,
        ) {
            val name = fields.field<String>("file")
            val file = File(folder, name)
            val dtype = fields.field<String>("dtype")
            val width = WIDTHS[dtype] ?: throw JsonError("type $dtype is not one of ${WIDTHS.keys}")
            if ('/' in name) throw JsonError("$name is not in this folder")
            if (!file.isFile || file.length() != width * fields.longs("shape").fold(1L, Long::times)) {
                throw UserError("${folder.name}/$name is missing or cut off: copy it again")
            }
            if (sha256(file) != fields["sha256"]) throw UserError("${folder.name}/$name is damaged: copy it again")
        }
    }
}

/**
 * Runs every method of an artifact on its verification inputs, and writes `outputs.json` and one raw file an output.
 *
 * Each file comes with its checksum, so that the host can tell a damaged transfer from a wrong model.
 */
fun writeOutputs(
    artifact: Artifact,
    networks: Networks,
    inputs: VerificationInputs,
    folder: File,
) {
    val methods =
        artifact.methods.map { method ->
            val outputs = networks.run(method.name, *inputs.read(method.name, networks).values.toTypedArray())
            val described =
                method.outputs.zip(outputs) { spec, value ->
                    describe(spec.name, value, File(folder, "${method.name}-${spec.name}.bin"))
                }
            mapOf("name" to method.name, "outputs" to described)
        }
    val about = mapOf("name" to artifact.file.name, "bytes" to artifact.file.length(), "sha256" to artifact.sha256)
    val content = Json.write(mapOf("format" to FORMAT, "artifact" to about, "methods" to methods))
    replaceFile(File(folder, "outputs.json"), content.toByteArray())
}

private fun describe(
    name: String,
    value: Value,
    file: File,
): JsonObject {
    replaceFile(file, bytes(value))
    return mapOf(
        "name" to name,
        "shape" to value.shape.toList(),
        "dtype" to if (value.isLong) LONG else FLOAT,
        "file" to file.name,
        "sha256" to sha256(file),
    )
}

private fun bytes(value: Value): ByteArray {
    val count = value.shape.fold(1, Int::times)
    val buffer =
        ByteBuffer
            .allocate(
                count * WIDTHS.getValue(if (value.isLong) LONG else FLOAT),
            ).order(ByteOrder.LITTLE_ENDIAN)
    if (value.isLong) buffer.asLongBuffer().put(value.longs()) else buffer.asFloatBuffer().put(value.floats())
    return buffer.array()
}

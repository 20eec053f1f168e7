package org.minivlm.core

import java.io.File

private const val FORMAT = 2L

/**
 * Name and shape of one input or output.
 *
 * @property dtype "float32" or "int64".
 */
data class TensorSpec(
    val name: String,
    val shape: IntArray,
    val dtype: String,
)

/**
 * One entry point of an artifact.
 *
 * @property delegatedMacs share of the multiply-adds that the runtime's accelerated kernels run.
 * @property verification how exact its results are, by metric.
 */
class Method(
    val name: String,
    val inputs: List<TensorSpec>,
    val outputs: List<TensorSpec>,
    val delegatedMacs: Double,
    val verification: Map<String, Double>,
)

/**
 * A model file with what its sidecar says about it (`export/core/sidecar.py`).
 *
 * @property delegate what it was lowered to first; empty where its runtime has no choice.
 * @property weights where the weights come from, for people.
 * @property randomWeights whether they were never trained: then what the model says means nothing.
 */
class Artifact(
    val file: File,
    val model: String,
    val runtime: String,
    val delegate: String,
    val precision: String,
    val weights: String,
    val randomWeights: Boolean,
    val sha256: String,
    val methods: List<Method>,
) {
    /** Whether it goes from a photo to a caption, rather than being a part of a model. */
    val isWhole: Boolean get() = WHOLE.all { name -> methods.any { it.name == name } }

    /** Whether it answers questions. */
    val answers: Boolean get() = methods.any { it.name == "vqa" }

    /** What runs it: the runtime, with the delegate where that is not the usual one, such as "executorch-vulkan". */
    val target: String get() = if (delegate in USUAL) runtime else "$runtime-$delegate"

    /** Folder with the pieces of it that an accelerator runs, and those that it does not. */
    val piecesFolder: File get() = file.resolveSibling("${file.nameWithoutExtension}-pieces")

    /** Folder with the vocabulary, the tags and the answers of a whole model. */
    val labelsFolder: File get() = file.resolveSibling("${file.nameWithoutExtension}-words")

    /** Returns the method of this name. */
    fun method(name: String): Method =
        methods.firstOrNull { it.name == name }
            ?: throw UserError(
                "${file.name} has no method '$name', only ${methods.joinToString { it.name }}: export a whole model",
            )

    /** Returns the shape of a method's input. */
    fun inputShape(
        method: String,
        input: String,
    ): IntArray =
        method(method).inputs.firstOrNull { it.name == input }?.shape
            ?: throw UserError("${file.name}: method '$method' has no input '$input': export it again")

    /**
     * Holds the file against the sidecar, which takes reading it once.
     *
     * @throws UserError if the sidecar describes other bytes.
     */
    fun requireIntact() {
        if (sha256(file) != sha256) {
            throw UserError("${file.name} is not what its sidecar describes: copy both again")
        }
    }

    companion object {
        private val WHOLE = listOf("regions", "prefill", "step")
        private val USUAL = listOf("", "xnnpack")

        /**
         * Reads what the sidecar beside an artifact says.
         *
         * @throws UserError if one of the two is missing, or the sidecar is damaged or of another version.
         */
        fun read(file: File): Artifact {
            val sidecar = file.resolveSibling("${file.nameWithoutExtension}.json")
            if (!file.isFile) throw UserError("${file.name} is not in ${file.parent}: copy it there")
            if (!sidecar.isFile) throw UserError("${sidecar.name} is not beside ${file.name}: copy it there, too")
            val fields = Json.readObject(sidecar)
            return try {
                parse(file, fields)
            } catch (error: JsonError) {
                throw UserError(
                    "${sidecar.name} is no sidecar of format $FORMAT (${error.message}): export again",
                    error,
                )
            }
        }

        private fun parse(
            file: File,
            fields: JsonObject,
        ): Artifact {
            if (fields["format"] != FORMAT) throw JsonError("format ${fields["format"]}")
            val weights = fields.child("weights")
            return Artifact(
                file = file,
                model = fields.field("model"),
                runtime = fields.field("runtime"),
                delegate = fields["delegate"] as? String ?: "", // older sidecars have none
                precision = fields.field("precision"),
                weights = weights.field("description"),
                randomWeights = weights.field("random"),
                sha256 = fields.field("sha256"),
                methods = fields.children("methods").map(::method),
            )
        }

        private fun method(fields: JsonObject): Method =
            Method(
                name = fields.field("name"),
                inputs = fields.children("inputs").map(::spec),
                outputs = fields.children("outputs").map(::spec),
                delegatedMacs = fields.number("delegated_macs"),
                verification = fields.children("parity").associate { it.field<String>("name") to it.number("value") },
            )

        private fun spec(fields: JsonObject): TensorSpec {
            val shape = fields.longs("shape").map { it.toInt() }.toIntArray()
            return TensorSpec(fields.field("name"), shape, fields.field("dtype"))
        }
    }
}

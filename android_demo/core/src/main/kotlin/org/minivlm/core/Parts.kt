package org.minivlm.core

import java.io.Closeable
import java.io.File

/**
 * What a runtime runs at one go: a method, or a piece of one.
 *
 * @property file where it is.
 * @property signature its name in that file.
 * @property inputs as that file calls them; a name stands for the same tensor in all parts of a method.
 * @property outputs likewise.
 * @property accelerated whether it is for the accelerator.
 */
class Part(
    val file: File,
    val signature: String,
    val inputs: List<TensorSpec>,
    val outputs: List<TensorSpec>,
    val accelerated: Boolean,
)

/**
 * A method in parts.
 *
 * @property inputs names of its inputs in the parts, in the method's order; [outputs] likewise.
 * @property parts in the order in which they run: each takes what those before it give.
 */
class PartedMethod(
    val name: String,
    val inputs: List<String>,
    val outputs: List<String>,
    val parts: List<Part>,
) {
    companion object {
        /** Returns the methods of an artifact that runs as it is, one part each. */
        fun whole(artifact: Artifact): List<PartedMethod> =
            artifact.methods.map { method ->
                val part = Part(artifact.file, method.name, method.inputs, method.outputs, accelerated = false)
                PartedMethod(method.name, method.inputs.map { it.name }, method.outputs.map { it.name }, listOf(part))
            }
    }
}

/** A part that is ready to run. */
fun interface LoadedPart {
    /** Returns the outputs of [inputs], in the orders of the part. */
    fun run(inputs: List<HostValue>): List<HostValue>
}

/** Loads parts, and holds what they need until it is closed. */
interface PartLoader : Closeable {
    /**
     * Loads a part where it belongs.
     *
     * @throws UserError if the runtime, or the accelerator, does not take it.
     */
    fun load(part: Part): LoadedPart
}

/**
 * An artifact whose methods run part by part; between two parts tensors are the virtual machine's.
 *
 * @param artifact its name.
 */
class PartedNetworks(
    private val artifact: String,
    methods: List<PartedMethod>,
    private val loader: PartLoader,
) : Networks {
    private val methods = methods.associateBy { it.name }
    private val loaded = HashMap<String, List<LoadedPart>>()

    override fun value(
        elements: FloatArray,
        vararg shape: Int,
    ): Value = HostValue(elements, shape)

    override fun value(
        elements: LongArray,
        vararg shape: Int,
    ): Value = HostValue(elements, shape)

    override fun load(method: String) {
        loadedParts(named(method))
    }

    override fun run(
        method: String,
        vararg inputs: Value,
    ): List<Value> {
        val described = named(method)
        val known = described.inputs.zip(inputs.map { it as HostValue }).toMap(HashMap())
        described.parts.zip(loadedParts(described)) { part, ready ->
            val outputs = ready.run(part.inputs.map { known.getValue(it.name) })
            part.outputs.zip(outputs) { spec, value -> known[spec.name] = value }
        }
        return described.outputs.map { known.getValue(it) }
    }

    override fun units(method: String): List<String> = unitsOf(named(method).parts.map { it.accelerated })

    override fun close() = loader.close()

    private fun named(method: String): PartedMethod =
        methods[method] ?: throw UserError("$artifact has no method '$method', only ${methods.keys.joinToString()}")

    private fun loadedParts(method: PartedMethod): List<LoadedPart> =
        loaded.getOrPut(method.name) { method.parts.map(loader::load) }
}

private fun unitsOf(accelerated: List<Boolean>): List<String> =
    listOfNotNull(GPU.takeIf { true in accelerated }, CPU.takeIf { false in accelerated })

package org.minivlm.core

import java.io.File

/** Puts another artifact beside the one of a [FakeModel], of the same bytes: for another runtime, delegate or weights. */
fun FakeModel.alsoFor(
    target: String,
    weights: String = "random (seed 0)",
    model: String? = null,
): File {
    val (runtime, delegate) = target.split("-").let { it[0] to it.getOrElse(1) { "" } }
    val fields = Json.readObject(artifact.resolveSibling("${artifact.nameWithoutExtension}.json"))
    val name = model ?: fields.field<String>("model")
    val suffix = if (runtime == "litert") "tflite" else artifact.extension
    val made = artifact.resolveSibling("$name-$target-fp32.$suffix")
    artifact.copyTo(made)
    artifact.labels().copyRecursively(made.labels())
    val changes =
        mapOf(
            "model" to name,
            "runtime" to runtime,
            "delegate" to delegate,
            "weights" to mapOf("description" to weights, "random" to true),
        )
    made.resolveSibling("${made.nameWithoutExtension}.json").writeText(Json.write(fields + changes))
    return made
}

private fun File.labels() = resolveSibling("$nameWithoutExtension-words")

/**
 * A runtime of fake networks on some units, the first of which has the multiply-adds.
 *
 * @property opened names of the artifacts that it opened, in order.
 * @property networks what they became.
 * @property refused what it cannot open, with the reason.
 * @property unloadable methods that it cannot load.
 */
class FakeRuntime(
    private vararg val units: String,
) : Runtime {
    override val unit = units.first()
    val opened = ArrayList<String>()
    val networks = ArrayList<UnitNetworks>()
    val refused = HashMap<String, String>()
    val unloadable = HashSet<String>()

    override fun open(
        artifact: File,
        threads: Int,
    ): Networks {
        refused[artifact.name]?.let { throw UserError(it) }
        opened += artifact.name
        return UnitNetworks(units.toList(), unloadable).also { networks += it }
    }

    override fun log() = listOf("the words of ${units.joinToString()}")
}

/** [FakeNetworks] that run on some units, and whose methods cannot all be loaded. */
class UnitNetworks(
    private val units: List<String>,
    private val unloadable: Set<String>,
    private val fake: FakeNetworks = FakeNetworks(),
) : Networks by fake {
    val closed get() = fake.closed

    override fun units(method: String): List<String> = units

    override fun load(method: String) {
        if (method in unloadable) throw UserError("the GPU does not take '$method'")
    }
}

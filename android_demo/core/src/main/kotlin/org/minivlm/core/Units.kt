package org.minivlm.core

import java.io.File

/** The unit that every artifact but one for another delegate runs on, by its name in records. */
const val CPU = "cpu"

/** The graphics processor, likewise. */
const val GPU = "gpu"

/** All units that a host can ask for. */
val UNITS = listOf(CPU, GPU)

/** Returns units as people read them: "GPU and CPU". */
internal fun shownUnits(units: List<String>): String = units.joinToString(" and ") { it.uppercase() }

/**
 * Opens each artifact on the accelerator that has a unit, and on no other: a measurement must not be of something else
 * than was asked for.
 */
class UnitRuntime(
    private val accelerators: List<Accelerator>,
    override val unit: String,
) : Runtime {
    private var last: Runtime? = null

    override fun open(
        artifact: File,
        threads: Int,
    ): Networks {
        val described = Artifact.read(artifact)
        val able = accelerators.filter { it.runs(described) }
        val chosen =
            able.firstOrNull { it.unit == unit }
                ?: throw UserError(
                    "${artifact.name} is for ${described.target} and ${described.precision}, which this app does not " +
                        "run on the $unit: ${wayOut(able)}",
                )
        last = chosen.runtime
        return chosen.runtime.open(artifact, threads)
    }

    override fun log(): List<String> = last?.log().orEmpty()

    private fun wayOut(able: List<Accelerator>): String {
        val units = able.map { it.unit }.distinct()
        return if (units.isEmpty()) "export it for another runtime" else "ask for ${units.joinToString(" or ")}"
    }
}

package org.minivlm.core

import java.io.File

private const val FORMAT = 1

/**
 * The file that tells the host how far a benchmark is; docs/phones-android.md fixes it.
 *
 * @param extras of the intent: run, round and artifact are copied as they came.
 * @param report takes every status as one line, too.
 */
internal class Status(
    private val file: File,
    private val extras: Map<String, Any?>,
    private val now: () -> String,
    private val report: (String) -> Unit,
) {
    private var step = "starting"

    /** Says that a step begins. */
    fun enter(step: String) {
        this.step = step
        write("running", null)
    }

    /** Says that the record is written. */
    fun finish() = write("finished", null)

    /** Says that nothing more comes, and why. */
    fun fail(message: String) = write("failed", message)

    private fun write(
        state: String,
        message: String?,
    ) {
        val line =
            Json.write(
                mapOf(
                    "format" to FORMAT,
                    "run" to extras["run"] as? String,
                    "round" to (extras["round"] as? Int ?: 0),
                    "artifact" to extras["artifact"] as? String,
                    "state" to state,
                    "step" to step,
                    "message" to message,
                    "time" to now(),
                ),
            )
        report(line)
        replaceFile(file, "$line\n".toByteArray())
    }
}

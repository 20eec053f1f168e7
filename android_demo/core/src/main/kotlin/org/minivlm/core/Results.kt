package org.minivlm.core

import java.io.File
import java.io.IOException

/** Where the benchmark puts records in the app's files, unless the host names another file. */
const val RECORDS = "results/records.jsonl"

/**
 * A record for people.
 *
 * @property title model, runtime, precision, accelerator and threads.
 * @property lines what came of it, and what interfered with it.
 * @property chart latency over time; null where the measurement was not a long one.
 */
class ResultView(
    val title: String,
    val lines: List<String>,
    val chart: Chart?,
)

/**
 * The records of this phone.
 *
 * @property views the newest first.
 * @property message why there are none, or how many lines cannot be read; empty when all is well.
 */
class Results(
    val views: List<ResultView>,
    val message: String,
) {
    /** Whether there is something to share. */
    val canShare: Boolean get() = views.isNotEmpty()

    companion object {
        /** Reads a file of records; lines that are none hide no others. */
        fun read(file: File): Results {
            if (!file.isFile) return Results(emptyList(), NOTHING)
            val lines =
                try {
                    file.readLines().filter { it.isNotBlank() }
                } catch (error: IOException) {
                    return Results(emptyList(), "${file.name} cannot be read (${error.message}): measure again")
                }
            val views = lines.mapNotNull { line -> viewOf(line) }.reversed()
            val damaged = lines.size - views.size
            return Results(views, messageOf(file, views.size, damaged))
        }

        private fun messageOf(
            file: File,
            read: Int,
            damaged: Int,
        ): String =
            when {
                damaged == 1 -> "1 line of ${file.name} is no record"
                damaged > 1 -> "$damaged lines of ${file.name} are no records"
                read == 0 -> NOTHING
                else -> ""
            }

        private const val NOTHING =
            "Nothing was measured on this phone yet. Measurements are started from a computer, so that each has a " +
                "fresh process: python bench/run.py --device android --models minivlm --sustained 10"
    }
}

private fun viewOf(line: String): ResultView? =
    try {
        view(mapOf("record" to Json.parse(line)).child("record"))
    } catch (damaged: JsonError) {
        null
    }

private fun view(record: JsonObject): ResultView {
    val (model, runtime, precision) = listOf("model", "runtime", "precision").map { record.field<String>(it) }
    val accelerator = (record["accelerator"] as? String)?.takeIf { it != CPU }?.let { " on the $it" }.orEmpty()
    val threads = (record["threads"] as? Long)?.let { ", $it threads" }.orEmpty()
    val outcome =
        if (record.field<String>("status") == "ok") {
            medians(record)
        } else {
            listOf("failed: ${record.child("error").field<String>("reason")}")
        }
    val interference = record.field<List<*>>("disturbed").map { "interference: $it" }
    return ResultView(
        title = "$model, $runtime $precision$accelerator$threads",
        lines =
            listOf("${record.field<String>("time")}, profile ${record.field<String>("profile")}") + outcome +
                interference,
        chart = if (record["sustained"] == null) null else chart(record),
    )
}

/** The median of every stage and, where there are several, of whole runs. */
private fun medians(record: JsonObject): List<String> {
    val samples = record.child("samples")
    val stages = samples.keys.associateWith { samples.numbers(it) }
    val runs = stages.values.minOfOrNull { it.size } ?: 0
    if (runs == 0) throw JsonError("no samples")
    val totals = List(runs) { run -> stages.values.sumOf { it[run] } }
    val shown = if (stages.size > 1) mapOf("a run" to totals) + stages else stages
    val lines = shown.map { (name, times) -> "%s: median %.1f ms".format(name, percentile(times, 50.0)) }
    return lines + if (runs == 1) "1 run" else "$runs runs"
}

private fun chart(record: JsonObject): Chart? {
    val sustained = record.pairs("sustained") { (it as? Number)?.toDouble() }
    if (sustained.none { it.second > 0.0 }) return null
    val environment = record.child("environment")
    val states =
        if ("thermal_states" in
            environment
        ) {
            environment.pairs("thermal_states") { it as? String }
        } else {
            emptyList()
        }
    return Chart.of(sustained, states.filter { it.second != "unknown" })
}

private fun JsonObject.numbers(name: String): List<Double> =
    field<List<*>>(name).map { (it as? Number)?.toDouble() ?: throw JsonError("\"$name\" does not hold numbers only") }

/** Returns a list of seconds, each with a value that [read] takes. */
private fun <T : Any> JsonObject.pairs(
    name: String,
    read: (Any?) -> T?,
): List<Pair<Double, T>> =
    field<List<*>>(name).map {
        val (seconds, value) =
            (it as? List<*>)?.takeIf { pair -> pair.size == 2 }
                ?: throw JsonError("\"$name\" does not hold pairs only")
        val time = (seconds as? Number)?.toDouble() ?: throw JsonError("\"$name\" does not begin with seconds")
        time to (read(value) ?: throw JsonError("\"$name\" holds $value"))
    }

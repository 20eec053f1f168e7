package org.minivlm.core

private const val FORMAT = 2

/** Bytes of this process that were resident before loading a model, and at most. */
data class Memory(
    val baselineBytes: Long,
    val peakBytes: Long,
)

/** Why a record has no samples. [details] are the last lines that the runtime logged. */
data class Failure(
    val reason: String,
    val details: List<String>,
)

/**
 * What was measured in one repeat.
 *
 * @property samples by stage, milliseconds of every run.
 * @property sustained seconds since the start and milliseconds, for every second of a long measurement; otherwise null.
 * @property tokens how many tokens the stage "steps" writes; null without that stage.
 * @property inputs by name, the shape of each input.
 * @property units by method, what ran it; see [Networks.units].
 */
class Measurement(
    val samples: Map<String, List<Double>>,
    val sustained: List<Pair<Double, Double>>?,
    val tokens: Int?,
    val loadMs: Double,
    val firstMs: Double,
    val memory: Memory,
    val inputs: Map<String, IntArray>,
    val units: Map<String, List<String>>,
)

/** What is known about a repeat beside its outcome; times are ISO 8601 in UTC. */
class Circumstances(
    val request: BenchmarkRequest,
    val artifact: Artifact,
    val photo: Map<String, String>,
    val environment: JsonObject,
    val interference: List<String>,
    val time: String,
)

/** Returns the record of a repeat that went well, one line of the schema that `bench/records/record.py` owns. */
fun recordOf(
    about: Circumstances,
    measured: Measurement,
): String =
    Json.write(
        common(about) +
            accelerated(about, measured) +
            mapOf(
                "status" to "ok",
                "error" to null,
                "threads" to about.request.threads,
                "samples" to measured.samples,
                "sustained" to measured.sustained?.map { it.toList() },
                "tokens" to measured.tokens,
                "load_ms" to measured.loadMs,
                "first_ms" to measured.firstMs,
                "memory" to
                    mapOf(
                        "peak_bytes" to measured.memory.peakBytes,
                        "baseline_bytes" to measured.memory.baselineBytes,
                        "planned_bytes" to null,
                    ),
                "inputs" to measured.inputs.mapValues { it.value.toList() },
            ),
    )

/** Returns the record of a repeat that failed. */
fun recordOf(
    about: Circumstances,
    failure: Failure,
): String =
    Json.write(
        common(about) +
            mapOf(
                "status" to "failed",
                "error" to mapOf("exit" to null, "reason" to failure.reason, "stderr" to failure.details),
                "threads" to null,
                "samples" to emptyMap<String, Any>(),
                "sustained" to null,
                "tokens" to null,
                "load_ms" to null,
                "first_ms" to null,
                "memory" to null,
                "inputs" to emptyMap<String, Any>(),
            ),
    )

/** Which unit ran what, where it was not the CPU alone, and then only: that is what a record without it says. */
private fun accelerated(
    about: Circumstances,
    measured: Measurement,
): JsonObject =
    if (about.request.accelerator == CPU) {
        emptyMap()
    } else {
        mapOf("environment" to about.environment + ("units" to measured.units))
    }

private fun common(about: Circumstances): JsonObject =
    mapOf(
        "format" to FORMAT,
        "run" to about.request.run,
        "round" to about.request.round,
        "device" to "android",
        "model" to about.artifact.model,
        "runtime" to about.artifact.runtime,
        "precision" to about.artifact.precision,
        "threads_asked" to about.request.threads,
        "affinity" to null,
        "unit" to "ms",
        "counts" to null, // the host knows the model, and fills in these two
        "machine" to null,
        "artifact" to
            mapOf(
                "name" to about.artifact.file.name,
                "bytes" to about.artifact.file.length(),
                "sha256" to about.artifact.sha256,
                "delegated" to about.artifact.methods.associate { it.name to it.delegatedMacs },
                "parity" to
                    about.artifact.methods
                        .flatMap { method -> method.verification.map { "${method.name} ${it.key}" to it.value } }
                        .toMap(),
            ),
        "photo" to about.photo,
        "weights" to about.artifact.weights,
        "environment" to about.environment,
        "profile" to about.request.profile,
        "disturbed" to about.interference,
        "time" to about.time,
    ) + accelerator(about.request)

private fun accelerator(request: BenchmarkRequest): JsonObject =
    if (request.accelerator == CPU) emptyMap() else mapOf("accelerator" to request.accelerator)

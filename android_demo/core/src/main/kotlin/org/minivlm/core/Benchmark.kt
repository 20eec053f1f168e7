package org.minivlm.core

import java.io.File

/**
 * One repeat of one case, from extras to a record.
 *
 * @param files the app's folder; see docs/phones-android.md for what lies in it.
 * @param readPhoto decodes a photo file.
 * @param report takes every status, one JSON line.
 */
class Benchmark(
    private val files: File,
    private val phone: Phone,
    private val runtime: Runtime,
    private val readPhoto: (File) -> Photo,
    private val timer: Timer = Timer(),
    private val report: (String) -> Unit,
) {
    private val results = File(files, "results")

    /**
     * Measures.
     *
     * @return one line for a person.
     */
    fun run(extras: Map<String, Any?>): String {
        val status = Status(File(results, "status.json"), extras, phone::now, report)
        return try {
            status.enter("starting")
            val summary = measure(BenchmarkRequest.parse(extras), status)
            status.finish()
            summary
        } catch (error: Throwable) {
            // running out of memory included: the host must hear of it
            val message = explain(error)
            runCatching { status.fail(message) } // the disk may be full; the line is reported all the same
            message
        }
    }

    private fun measure(
        request: BenchmarkRequest,
        status: Status,
    ): String {
        val artifact = Artifact.read(files.resolve(request.modelDir).resolve(request.artifact))
        artifact.requireIntact()
        if (request.accelerator != CPU && artifact.piecesFolder.isDirectory) PieceFiles.read(artifact).requireIntact()
        val job = job(request, artifact)
        status.enter("cooling down")
        val cooled = coolDown(request.coolDown)
        val before = phone.thermalStatus()
        val thermal = ThermalHistory(phone)
        phone.lostForeground() // what was before does not count
        val outcome = runCatching { measureLoaded(request, artifact, job, thermal, status) }
        val about = circumstances(request, artifact, before, cooled, thermal)
        status.enter("writing")
        val output = File(results, request.output)
        val measured =
            outcome.getOrElse {
                appendLine(output, recordOf(about, Failure(explain(it), runtime.log().takeLast(LOG_LINES))))
                throw it
            }
        appendLine(output, recordOf(about, measured))
        return summary(measured)
    }

    private fun measureLoaded(
        request: BenchmarkRequest,
        artifact: Artifact,
        job: Job,
        thermal: ThermalHistory,
        status: Status,
    ): Measurement {
        status.enter("loading")
        val baseline = phone.residentBytes()
        val (networks, loadMs) =
            timer.time {
                runtime.open(artifact.file, request.threads).also { opened -> job.methods.forEach(opened::load) }
            }
        networks.use {
            val stages = job.stages(networks)
            status.enter("warming up")
            val firstMs = timer.once(stages).sum()
            timer.repeat(stages, request.warmUp)
            status.enter("measuring")
            val watch = if (request.sustained) thermal::look else { _ -> }
            watch(0.0)
            val timings = timer.repeat(stages, request.steady, watch)
            val memory = Memory(baseline, phone.peakResidentBytes())
            if (request.verify) {
                status.enter("verifying")
                val folder = File(results, artifact.file.nameWithoutExtension)
                writeOutputs(artifact, networks, verificationInputs(artifact), folder)
            }
            val sustained = if (request.sustained) timings.bySecond() else null
            val units = job.methods.associateWith(networks::units)
            return Measurement(timings.samples, sustained, job.tokens, loadMs, firstMs, memory, job.inputs, units)
        }
    }

    private fun job(
        request: BenchmarkRequest,
        artifact: Artifact,
    ): Job {
        val photo = photoFile(request)
        if (!artifact.isWhole) return PartJob(artifact, verificationInputs(artifact))
        if (photo == null) throw UserError("the extra 'photo' is missing: a whole model needs one")
        return CaptionJob(artifact, Labels.read(artifact.labelsFolder, artifact.answers), readPhoto(photo))
    }

    private fun photoFile(request: BenchmarkRequest): File? {
        val file = File(files, "inputs/${request.photo ?: return null}")
        if (!file.isFile) throw UserError("${file.name} is not in ${file.parent}: copy it there")
        return file
    }

    private fun verificationInputs(artifact: Artifact) =
        VerificationInputs.open(File(files, "inputs/${artifact.file.nameWithoutExtension}"))

    /** Waits until the phone is cool, at most so long; returns the seconds waited. */
    private fun coolDown(longest: Double): Double {
        var waited = 0.0
        while (waited < longest && phone.thermalStatus() !in listOf(CALM, UNKNOWN)) {
            phone.sleep(MS_PER_SECOND)
            waited++
        }
        return waited
    }

    private fun circumstances(
        request: BenchmarkRequest,
        artifact: Artifact,
        thermalBefore: String,
        cooledSeconds: Double,
        history: ThermalHistory,
    ): Circumstances {
        val thermal = mapOf("before" to thermalBefore, "after" to phone.thermalStatus())
        val overTime =
            if (request.sustained) mapOf("thermal_states" to history.changes.map { it.toList() }) else emptyMap()
        return Circumstances(
            request = request,
            artifact = artifact,
            photo = photoFile(request)?.let { mapOf("name" to it.name, "sha256" to sha256(it)) }.orEmpty(),
            environment =
                phone.describe() + thermal.mapKeys { "thermal_${it.key}" } +
                    mapOf("cooled_seconds" to cooledSeconds, "low_power" to phone.savesPower()) + overTime,
            interference = interference(thermal),
            time = phone.now(),
        )
    }

    private fun interference(thermal: Map<String, String>): List<String> =
        thermal.filterValues { it !in listOf(CALM, UNKNOWN) }.map { (time, status) ->
            "the thermal status $time the runs was $status"
        } +
            listOfNotNull(
                "the phone was saving power".takeIf { phone.savesPower() },
                "the app was out of sight while it ran".takeIf { phone.lostForeground() },
            )

    private fun summary(measured: Measurement): String =
        measured.samples.entries.joinToString("\n") { (stage, samples) ->
            val (median, p90, p99) = Summary.of(samples)
            "%s: median %.1f ms, 90 %% within %.1f, 99 %% within %.1f, %d runs".format(
                stage,
                median,
                p90,
                p99,
                samples.size,
            )
        }

    private companion object {
        const val LOG_LINES = 20
        const val CALM = "none"
        const val UNKNOWN = "unknown"
        const val MS_PER_SECOND = 1000L
    }
}

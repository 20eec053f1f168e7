package org.minivlm.core

/**
 * What one start of the benchmark activity is asked to do; docs/phones-android.md lists the extras.
 *
 * @property artifact file name in the model folder.
 * @property photo file name in the folder of inputs, or null.
 * @property run id of the host's benchmark run.
 * @property round which repeat.
 * @property profile name, for the record only.
 * @property warmUp when the runs that do not count end.
 * @property steady when those that count end.
 * @property sustained whether latency and thermal status over time belong into the record.
 * @property threads of the runtime.
 * @property accelerator unit that the multiply-adds run on: [CPU] or [GPU]. A phone without it measures nothing.
 * @property coolDown longest wait in seconds for a cool phone.
 * @property verify whether to run the verification inputs, too.
 * @property output name of the records file.
 * @property modelDir folder of the artifact: absolute, or in the app's files.
 */
data class BenchmarkRequest(
    val artifact: String,
    val photo: String?,
    val run: String,
    val round: Int,
    val profile: String,
    val warmUp: Stop,
    val steady: Stop,
    val sustained: Boolean,
    val threads: Int,
    val accelerator: String,
    val coolDown: Double,
    val verify: Boolean,
    val output: String,
    val modelDir: String,
) {
    companion object {
        /**
         * Reads the extras of an intent.
         *
         * @throws UserError naming the first one that is unknown, missing or bad.
         */
        fun parse(extras: Map<String, Any?>): BenchmarkRequest {
            val reader = ExtrasReader(extras)
            val request =
                BenchmarkRequest(
                    artifact = reader.fileName("artifact") ?: reader.missing("artifact"),
                    photo = reader.fileName("photo"),
                    run = reader.text("run") ?: reader.missing("run"),
                    round = reader.whole("round", atLeast = 0) ?: 0,
                    profile = reader.text("profile") ?: reader.missing("profile"),
                    warmUp = reader.stop("warmup_", atLeast = 0),
                    steady = reader.stop("", atLeast = 1),
                    sustained = reader.flag("sustained") ?: false,
                    threads = reader.whole("threads", atLeast = 1) ?: reader.missing("threads"),
                    accelerator = reader.choice("accelerator", UNITS) ?: CPU,
                    coolDown = reader.seconds("cool_down") ?: LONGEST_COOL_DOWN,
                    verify = reader.flag("verify") ?: false,
                    output = reader.fileName("output") ?: "records.jsonl",
                    modelDir = reader.text("model_dir") ?: "models",
                )
            reader.requireNothingLeft()
            return request
        }

        private const val LONGEST_COOL_DOWN = 180.0
    }
}

/** Takes extras out one by one; each message names the extra, its rule and how to pass it. */
private class ExtrasReader(
    private val extras: Map<String, Any?>,
) {
    private val known = HashSet<String>()

    fun missing(name: String): Nothing = throw UserError("the extra '$name' is missing: see docs/phones-android.md")

    fun text(name: String): String? =
        take<String>(name, "text, with --es")?.also {
            if (it.isBlank()) bad(name, "text that is not empty, with --es")
        }

    /** A name without folders, so that nothing outside the app's own is read or written. */
    fun fileName(name: String): String? =
        text(name)?.also {
            if ('/' in it || it.startsWith(".")) bad(name, "a plain file name, with --es")
        }

    fun choice(
        name: String,
        among: List<String>,
    ): String? =
        text(name)?.also {
            if (it !in among) bad(name, "${among.joinToString(" or ")}, with --es")
        }

    fun whole(
        name: String,
        atLeast: Int,
    ): Int? =
        take<Int>(name, "a whole number, with --ei")?.also {
            if (it < atLeast) bad(name, "at least $atLeast, with --ei")
        }

    fun seconds(name: String): Double? =
        take<Float>(name, "seconds, with --ef")?.toDouble()?.also {
            if (!(it >= 0.0 && it.isFinite())) bad(name, "seconds from 0 on, with --ef")
        }

    fun flag(name: String): Boolean? = take<Boolean>(name, "true or false, with --ez")

    fun stop(
        prefix: String,
        atLeast: Int,
    ): Stop =
        Stop(
            runs = whole("${prefix}runs", atLeast) ?: missing("${prefix}runs"),
            seconds = seconds("${prefix}seconds") ?: missing("${prefix}seconds"),
            cap = seconds("${prefix}cap") ?: Double.POSITIVE_INFINITY,
            least = whole("${prefix}least", atLeast = 1) ?: 1,
        )

    fun requireNothingLeft() {
        val unknown = (extras.keys - known).sorted()
        if (unknown.isNotEmpty()) {
            throw UserError("unknown extra '${unknown.first()}': there are ${known.sorted().joinToString()}")
        }
    }

    private inline fun <reified T> take(
        name: String,
        rule: String,
    ): T? {
        known += name
        val value = extras[name] ?: return null
        return value as? T ?: bad(name, rule)
    }

    private fun bad(
        name: String,
        rule: String,
    ): Nothing = throw UserError("the extra '$name' is '${extras[name]}': give $rule")
}

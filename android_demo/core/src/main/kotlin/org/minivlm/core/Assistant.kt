package org.minivlm.core

import java.io.Closeable

/**
 * A region for people.
 *
 * @property score of the tag.
 * @property box xyxy in pixels of the upright photo.
 * @property attribute what it is like, where there is something to say.
 */
class TaggedBox(
    val tag: String,
    val score: Float,
    val box: FloatArray,
    val attribute: String? = null,
) {
    /** The attribute, where there is one, before the tag. */
    val phrase: String get() = listOfNotNull(attribute, tag).joinToString(" ")

    /** What it is, and how sure that is, in words. */
    val label: String get() = "$phrase, ${percent(score.toDouble())}"
}

/**
 * What there is to say about a photo.
 *
 * @property boxes best first.
 * @property stages in order.
 */
class Look(
    val boxes: List<TaggedBox>,
    val caption: String,
    val stages: List<StageTime>,
    internal val regions: Regions,
) {
    /** By stage. */
    val milliseconds: Map<String, Double> get() = stages.associate { it.name to it.milliseconds }
}

/**
 * How long a part of the work took.
 *
 * @property units that ran it, see [Networks.units].
 */
data class StageTime(
    val name: String,
    val milliseconds: Double,
    val units: List<String>,
) {
    /** In words. */
    val text: String
        get() {
            val time = "%s %.0f ms".format(name, milliseconds)
            return if (units.isEmpty()) time else "$time on ${shownUnits(units)}"
        }
}

/**
 * A loaded model that captions photos and answers questions about them. Not safe for two threads at once.
 *
 * @property choice what was loaded.
 * @property passedOver why those before it were not, a line each.
 * @property fallback what was wanted and why this was loaded in its place; empty where nothing was, or it is this.
 */
class Assistant private constructor(
    val choice: Choice,
    val passedOver: List<String>,
    val fallback: String,
    private val networks: Networks,
    private val pipeline: Pipeline,
    private val timer: Timer,
) : Closeable {
    /** What was loaded. */
    val artifact: Artifact get() = choice.artifact

    /**
     * Finds what is in a photo and writes a caption.
     *
     * @param found takes the regions before the caption begins.
     * @param written takes the caption so far, after every token; what it does is part of the stage "steps".
     */
    fun look(
        photo: Photo,
        found: (List<TaggedBox>) -> Unit = {},
        written: (String) -> Unit = {},
    ): Look {
        val (fitted, preprocess) = timer.time { pipeline.fit(photo) }
        val (regions, detect) = timer.time { pipeline.regions(fitted) }
        val tagged = tagged(fitted, regions)
        found(tagged)
        val (session, prefill) = timer.time { pipeline.session(regions) }
        val (caption, steps) = timer.time { pipeline.caption(session, written) }
        val stages =
            listOf(
                StageTime("preprocess", preprocess, listOf(CPU)),
                StageTime("regions", detect, networks.units("regions")),
                StageTime("prefill", prefill, networks.units("prefill")),
                StageTime("steps", steps, networks.units("step")),
            )
        return Look(tagged, caption, stages, regions)
    }

    private fun tagged(
        fitted: NetworkInput,
        regions: Regions,
    ): List<TaggedBox> {
        val boxes = fitted.toPhoto(regions.boxes)
        return regions.tags.indices.filter { regions.rows.valid[it] }.map {
            TaggedBox(
                tag = pipeline.labels.tags[regions.tags[it]],
                score = regions.scores[it],
                box = boxes.copyOfRange(4 * it, 4 * it + 4),
                attribute = regions.attributes?.let { ids -> pipeline.labels.attribute(ids[it]) },
            )
        }
    }

    /**
     * Answers a question about a photo; returns the best answers, and how long it took.
     *
     * @throws UserError if nothing is asked.
     */
    fun answer(
        look: Look,
        question: String,
    ): Pair<List<Answer>, StageTime> {
        val (answers, time) = timer.time { pipeline.answer(look.regions, question, SHOWN_ANSWERS) }
        return answers to StageTime("answer", time, networks.units("vqa"))
    }

    override fun close() = networks.close()

    companion object {
        private const val SHOWN_ANSWERS = 3

        /** Methods that are called here; an artifact may have others. */
        private val USED = listOf("regions", "prefill", "step", "vqa")

        /** Leaves the number of threads to the runtime. */
        private const val DEFAULT_THREADS = 0

        /**
         * Loads the first of some models that can be loaded.
         *
         * @param choices at least one.
         * @throws UserError if none can: the first one's mistake.
         */
        fun open(
            choices: List<Choice>,
            timer: Timer = Timer(),
        ): Assistant {
            val mistakes = ArrayList<UserError>()
            for (choice in choices) {
                try {
                    return load(choice, mistakes.map(::explain), "", timer)
                } catch (mistake: UserError) {
                    mistakes += mistake
                }
            }
            throw mistakes.first()
        }

        /**
         * Loads a model that was asked for; where its accelerator cannot be set up, the first of [instead] that loads.
         *
         * @throws UserError if none of them loads: the wanted one's mistake.
         */
        fun openWanted(
            wanted: Choice,
            instead: List<Choice>,
            timer: Timer = Timer(),
        ): Assistant {
            try {
                return load(wanted, emptyList(), "", timer)
            } catch (mistake: UserError) {
                for (choice in instead) {
                    val fallback =
                        "${explain(mistake)}. ${choice.accelerator.label} runs ${choice.artifact.file.name} instead"
                    try {
                        return load(choice, emptyList(), fallback, timer)
                    } catch (another: UserError) {
                        continue
                    }
                }
                throw mistake
            }
        }

        private fun load(
            choice: Choice,
            passedOver: List<String>,
            fallback: String,
            timer: Timer,
        ): Assistant {
            val artifact = choice.artifact
            val labels = Labels.read(artifact.labelsFolder, artifact.answers)
            val networks = choice.accelerator.runtime.open(artifact.file, DEFAULT_THREADS)
            if (choice.accelerator.unit != CPU) setUp(artifact, networks)
            return Assistant(choice, passedOver, fallback, networks, Pipeline(artifact, networks, labels), timer)
        }

        /** Loads the methods now: what an accelerator does not take shows here, where there is a way back. */
        private fun setUp(
            artifact: Artifact,
            networks: Networks,
        ) {
            try {
                artifact.methods
                    .map { it.name }
                    .filter { it in USED }
                    .forEach(networks::load)
            } catch (mistake: UserError) {
                networks.close()
                throw mistake
            }
        }
    }
}

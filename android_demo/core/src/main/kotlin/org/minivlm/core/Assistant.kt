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
 * @property milliseconds by stage.
 */
class Look(
    val boxes: List<TaggedBox>,
    val caption: String,
    val milliseconds: Map<String, Double>,
    internal val regions: Regions,
)

/**
 * A loaded model that captions photos and answers questions about them. Not safe for two threads at once.
 *
 * @property choice what was loaded.
 * @property passedOver why those before it were not, a line each.
 */
class Assistant private constructor(
    val choice: Choice,
    val passedOver: List<String>,
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
        val milliseconds =
            mapOf("preprocess" to preprocess, "regions" to detect, "prefill" to prefill, "steps" to steps)
        return Look(tagged, caption, milliseconds, regions)
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
     * Answers a question about a photo; returns the best answers, and the milliseconds it took.
     *
     * @throws UserError if nothing is asked.
     */
    fun answer(
        look: Look,
        question: String,
    ): Pair<List<Answer>, Double> = timer.time { pipeline.answer(look.regions, question, SHOWN_ANSWERS) }

    override fun close() = networks.close()

    companion object {
        private const val SHOWN_ANSWERS = 3

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
                    return load(choice, mistakes.map(::explain), timer)
                } catch (mistake: UserError) {
                    mistakes += mistake
                }
            }
            throw mistakes.first()
        }

        private fun load(
            choice: Choice,
            passedOver: List<String>,
            timer: Timer,
        ): Assistant {
            val artifact = choice.artifact
            val labels = Labels.read(artifact.labelsFolder, artifact.answers)
            val networks = choice.accelerator.runtime.open(artifact.file, DEFAULT_THREADS)
            return Assistant(choice, passedOver, networks, Pipeline(artifact, networks, labels), timer)
        }
    }
}

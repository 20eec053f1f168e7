package org.minivlm.core

import java.io.Closeable
import java.io.File

/**
 * A region for people.
 *
 * @property box xyxy in pixels of the upright photo.
 */
class TaggedBox(
    val tag: String,
    val score: Float,
    val box: FloatArray,
)

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
 * @property artifact what was loaded.
 * @property passedOver why files before it were not, a line each.
 */
class Assistant private constructor(
    val artifact: Artifact,
    val passedOver: List<String>,
    private val networks: Networks,
    private val pipeline: Pipeline,
    private val timer: Timer,
) : Closeable {
    /** Finds what is in a photo and writes a caption. */
    fun look(photo: Photo): Look {
        val (fitted, preprocess) = timer.time { pipeline.fit(photo) }
        val (regions, detect) = timer.time { pipeline.regions(fitted) }
        val (session, prefill) = timer.time { pipeline.session(regions) }
        val (caption, steps) = timer.time { pipeline.caption(session) }
        val boxes = fitted.toPhoto(regions.boxes)
        val tagged =
            regions.tags.indices.filter { regions.rows.valid[it] }.map {
                TaggedBox(
                    tag = pipeline.words.tags[regions.tags[it]],
                    score = regions.scores[it],
                    box = boxes.copyOfRange(4 * it, 4 * it + 4),
                )
            }
        val milliseconds =
            mapOf("preprocess" to preprocess, "regions" to detect, "prefill" to prefill, "steps" to steps)
        return Look(tagged, caption, milliseconds, regions)
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
         * Loads the first artifact of a whole model in a folder, by name, that can be loaded.
         *
         * @throws UserError if there is none; of files that cannot be used, the first one's mistake.
         */
        fun open(
            models: File,
            runtime: Runtime,
            timer: Timer = Timer(),
        ): Assistant {
            val mistakes = ArrayList<UserError>()
            for (file in models.listFiles { file -> file.extension == "pte" }.orEmpty().sortedBy { it.name }) {
                try {
                    val artifact = Artifact.read(file)
                    if (artifact.isWhole) return load(artifact, mistakes.map(::explain), runtime, timer)
                } catch (mistake: UserError) {
                    mistakes += mistake
                }
            }
            throw mistakes.firstOrNull() ?: UserError(
                "no model is in ${models.path} that goes from a photo to a caption: " +
                    "copy one there as docs/phones-android.md says",
            )
        }

        private fun load(
            artifact: Artifact,
            passedOver: List<String>,
            runtime: Runtime,
            timer: Timer,
        ): Assistant {
            val words = Words.read(artifact.wordsFolder, artifact.answers)
            val networks = runtime.open(artifact.file, DEFAULT_THREADS)
            return Assistant(artifact, passedOver, networks, Pipeline(artifact, networks, words), timer)
        }
    }
}

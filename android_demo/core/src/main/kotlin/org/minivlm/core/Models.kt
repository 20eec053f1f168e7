package org.minivlm.core

import java.io.File

/**
 * Something that runs models, for people to choose.
 *
 * @property label its name on the screen.
 * @property runtime opens artifacts on it.
 * @property runs whether it runs an artifact: an export fixes what an ExecuTorch program runs on.
 */
class Accelerator(
    val label: String,
    val runtime: Runtime,
    val runs: (Artifact) -> Boolean,
) {
    /** What has the convolutions and matrix products: [CPU] or [GPU]. */
    val unit: String get() = runtime.unit
}

/** A model on something that runs it. */
class Choice(
    val artifact: Artifact,
    val accelerator: Accelerator,
) {
    /** The model's name on the screen. */
    val model: String get() = artifact.file.nameWithoutExtension

    /** Whether both are called the same, though the folder may have been read again in between. */
    fun isSame(other: Choice?): Boolean = model == other?.model && accelerator.label == other.accelerator.label
}

/**
 * The models of a folder that go from a photo to a caption.
 *
 * @property choices by the model's name, then as the accelerators are listed.
 * @property mistakes of files that cannot be used.
 */
class Models(
    private val folder: File,
    val choices: List<Choice>,
    val mistakes: List<UserError>,
) {
    /**
     * Returns the choices.
     *
     * @throws UserError if there are none: the first mistake, or where to copy a model to.
     */
    fun requireAny(): List<Choice> =
        choices.ifEmpty {
            throw mistakes.firstOrNull() ?: UserError(
                "no model is in ${folder.path} that goes from a photo to a caption: " +
                    "copy one there as docs/phones-android.md says",
            )
        }

    /**
     * Returns what to take where a choice cannot be set up: on the CPU the same artifact, or else others of the same
     * model and weights, those of the same precision first. Nothing for a choice that is on the CPU already.
     */
    fun insteadOf(choice: Choice): List<Choice> {
        if (choice.accelerator.unit == CPU) return emptyList()
        val wanted = choice.artifact
        return choices
            .filter { it.accelerator.unit == CPU }
            .filter { it.artifact.model == wanted.model && it.artifact.weights == wanted.weights }
            .sortedWith(compareBy({ it.model != choice.model }, { it.artifact.precision != wanted.precision }))
    }

    companion object {
        private val SUFFIXES = listOf("pte", "tflite")

        /** Reads a folder; a file that cannot be used hides no other. */
        fun find(
            folder: File,
            accelerators: List<Accelerator>,
        ): Models {
            val mistakes = ArrayList<UserError>()
            val choices = ArrayList<Choice>()
            for (file in folder.listFiles { file -> file.extension in SUFFIXES }.orEmpty().sortedBy { it.name }) {
                try {
                    val artifact = Artifact.read(file)
                    if (artifact.isWhole) choices += choicesOf(artifact, accelerators)
                } catch (mistake: UserError) {
                    mistakes += mistake
                }
            }
            return Models(folder, choices, mistakes)
        }

        private fun choicesOf(
            artifact: Artifact,
            accelerators: List<Accelerator>,
        ): List<Choice> =
            accelerators.filter { it.runs(artifact) }.map { Choice(artifact, it) }.ifEmpty {
                throw UserError(
                    "${artifact.file.name} is for ${artifact.target}, and this app runs " +
                        "${accelerators.joinToString { it.label }}: export it for one of these",
                )
            }
    }
}

package org.minivlm.core

import java.io.File

/**
 * What the ids that a model takes and gives stand for; the folder `STEM-words` beside an artifact.
 *
 * @property tokenizer of the transformer's vocabulary.
 * @property tags names of the detector's classes, without the background.
 * @property answers of the head "vqa"; empty where the model has none.
 * @property attributes names of what regions are like, without "no attribute"; empty where nobody has named them.
 */
class Labels(
    val tokenizer: WordPieceTokenizer,
    val tags: List<String>,
    val answers: List<String>,
    val attributes: List<String> = emptyList(),
) {
    /** Returns the name of an attribute, which is on line [id] from 1; null for no attribute, and without names. */
    fun attribute(id: Int): String? = if (id == NO_ATTRIBUTE || attributes.isEmpty()) null else attributes[id - 1]

    /**
     * Returns the token ids of Oscar's tag text: distinct names in the given order, separated by spaces.
     *
     * @param classes class ids of the valid regions, best first.
     */
    fun tagIds(classes: List<Int>): List<Int> = tokenizer.encode(classes.map { tags[it] }.distinct().joinToString(" "))

    companion object {
        /** Id of what there is nothing to say about. */
        private const val NO_ATTRIBUTE = 0

        /**
         * Reads vocab.txt, tags.txt, attributes.txt where it is there and, where the model has a head for them,
         * answers.txt.
         *
         * @throws UserError if a file is missing or damaged.
         */
        fun read(
            folder: File,
            withAnswers: Boolean,
        ): Labels {
            if (!folder.isDirectory) {
                throw UserError("${folder.name} is not beside the artifact: copy that folder there, too")
            }
            val attributes = File(folder, "attributes.txt")
            return Labels(
                tokenizer = WordPieceTokenizer.read(File(folder, "vocab.txt")),
                tags = readLines(File(folder, "tags.txt")),
                answers = if (withAnswers) readLines(File(folder, "answers.txt")) else emptyList(),
                attributes = if (attributes.isFile) readLines(attributes) else emptyList(),
            )
        }
    }
}

package org.minivlm.core

/** Boxes that are shown: more would hide the photo. */
const val SHOWN_BOXES = 12

/**
 * What the main screen shows; docs/phones-android.md lists its states with their texts.
 *
 * @property models names to choose from; [model] is the chosen one's place.
 * @property accelerators names of what the chosen model can run on; [accelerator] is the chosen one's place.
 * @property photoWidth width of the upright photo in pixels, 0 without one; [photoHeight] likewise.
 * @property boxes at most [SHOWN_BOXES], best first, in pixels of that photo.
 * @property looked whether the boxes are those of this photo.
 * @property selected place of the box that was tapped.
 * @property caption as far as it is written.
 * @property notes what one should know about the model, a line each.
 * @property message what goes on, or what went wrong.
 * @property answers best first, a line each.
 * @property times how long each stage took, and on which units.
 * @property busy whether a task runs: then nothing that starts another can be used.
 * @property answering whether the model answers questions, and there is a photo to ask about.
 */
data class Screen(
    val models: List<String> = emptyList(),
    val model: Int = 0,
    val accelerators: List<String> = emptyList(),
    val accelerator: Int = 0,
    val photoWidth: Int = 0,
    val photoHeight: Int = 0,
    val boxes: List<TaggedBox> = emptyList(),
    val looked: Boolean = false,
    val selected: Int? = null,
    val caption: String = "",
    val notes: List<String> = emptyList(),
    val message: String = "",
    val answers: List<String> = emptyList(),
    val times: String = "",
    val busy: Boolean = false,
    val answering: Boolean = false,
) {
    /** The line about the regions, or about the one that is selected. */
    val region: String
        get() =
            when {
                selected != null -> "${boxes[selected].label} (${selected + 1} of ${boxes.size})"
                boxes.size == 1 -> "1 region: tap it"
                boxes.isNotEmpty() -> "${boxes.size} regions: tap one"
                looked -> "No region was found"
                else -> ""
            }

    /** What a screen reader says about the photo. */
    val photoDescription: String
        get() =
            when {
                photoWidth == 0 -> "No photo yet"
                !looked -> "Photo"
                boxes.isEmpty() -> "Photo in which no region was found"
                else -> "Photo with ${boxes.joinToString("; ") { it.label }}"
            }

    /** Whether another model or accelerator can be chosen. */
    val canChoose: Boolean get() = !busy && models.isNotEmpty()

    /** Whether a question can be asked. */
    val canAsk: Boolean get() = !busy && answering

    companion object {
        /** What there is to do before the first photo. */
        const val WELCOME = "Pick or take a photo: MiniVLM finds what is in it and writes a caption."

        /** The note about a model that was never trained. */
        const val RANDOM_WEIGHTS = "The weights are random: these words mean nothing."
    }
}

package org.minivlm.core

import kotlin.math.exp

/**
 * What the detector found in a photo, by falling score.
 *
 * @property rows vectors for the transformer, (N, D).
 * @property boxes (N, 4) xyxy in pixels of the network's input.
 * @property tags (N) class ids.
 * @property scores (N) probabilities; 0 marks a row that only fills.
 * @property attributes (N) ids, 0 for no attribute; null where the artifact says nothing of attributes.
 */
class Regions(
    val rows: RegionRows,
    val boxes: FloatArray,
    val tags: List<Int>,
    val scores: FloatArray,
    val attributes: List<Int>?,
) {
    /** Class ids of the rows that are regions. */
    val validTags: List<Int> get() = tags.filterIndexed { index, _ -> rows.valid[index] }
}

/**
 * One of the fixed answers to a question.
 *
 * @property probability sigmoid of the answer's logit; answers do not compete, so these do not add up to 1.
 */
data class Answer(
    val text: String,
    val probability: Double,
)

/** From a photo and text to a caption or an answer, with an artifact of a whole model. */
class Pipeline(
    private val artifact: Artifact,
    private val networks: Networks,
    val labels: Labels,
) {
    private val layout = CaptionLayout()
    private val imageShape = artifact.inputShape("regions", "image")
    private val outputs = artifact.method("regions").outputs.map { it.name }

    /** Makes the detector's input. */
    fun fit(photo: Photo): NetworkInput = letterbox(photo, imageShape[2], imageShape[3], PixelFormat.IMAGENET_RGB)

    /** Runs the detector. */
    fun regions(fitted: NetworkInput): Regions {
        val given =
            networks.run("regions", networks.value(fitted.image, *imageShape), networks.value(fitted.extent, 2))
        val found = outputs.zip(given).toMap()
        val scores = found.required("scores").floats()
        val valid = BooleanArray(scores.size) { scores[it] > 0f }
        return Regions(
            rows = joinRegions(found.required("features"), found.required("geometry"), valid),
            boxes = found.required("boxes").floats(),
            tags = found.required("tags").ids(),
            scores = scores,
            attributes = found["attributes"]?.ids(),
        )
    }

    private fun Map<String, Value>.required(output: String): Value =
        get(output)
            ?: throw UserError("${artifact.file.name}: method 'regions' has no output '$output': export it again")

    /** Runs what is computed once a photo, and begins a caption. */
    fun session(regions: Regions): CaptionSession {
        val special = labels.tokenizer.special
        return CaptionSession(
            networks,
            layout,
            layout.context(labels.tagIds(regions.validTags), regions.rows, special),
        )
    }

    /**
     * Writes a caption.
     *
     * @param written takes the text so far, after every token; its last word may still grow.
     */
    fun caption(
        session: CaptionSession,
        written: (String) -> Unit = {},
    ): String {
        val caption =
            writeCaption(labels.tokenizer.special, layout.captionLength, session::advance) {
                written(labels.tokenizer.decode(it))
            }
        return labels.tokenizer.decode(caption.tokenIds)
    }

    /**
     * Writes [tokens] tokens after [CLS], whatever they are: when speed is measured, the work must not depend on the
     * weights.
     */
    fun write(
        session: CaptionSession,
        tokens: Int,
    ) {
        var token = labels.tokenizer.special.cls
        repeat(tokens) { token = indexOfLargest(session.advance(token)) }
    }

    /**
     * Answers a question with the best [top] of the fixed answers, best first.
     *
     * @param question any text; what does not fit into 128 tokens with the tags is cut from its end.
     * @throws UserError if nothing is asked.
     */
    fun answer(
        regions: Regions,
        question: String,
        top: Int,
    ): List<Answer> {
        if (question.isBlank()) throw UserError("nothing was asked: type a question about the photo")
        val text = labels.tokenizer.encode(question)
        val inputs =
            TextLayout.VQA.arrange(text, labels.tagIds(regions.validTags), regions.rows, labels.tokenizer.special)
        val logits = networks.run("vqa", *values(inputs, regions.rows.width)).single().floats()
        return logits.indices.sortedByDescending { logits[it] }.take(top).map {
            Answer(labels.answers[it], 1.0 / (1.0 + exp(-logits[it].toDouble())))
        }
    }

    private fun values(
        inputs: TransformerInputs,
        width: Int,
    ): Array<Value> {
        val length = inputs.tokenIds.size
        return arrayOf(
            networks.value(inputs.tokenIds, 1, length),
            networks.value(inputs.tokenTypes, 1, length),
            networks.value(inputs.positions, 1, length),
            networks.value(inputs.regions, 1, inputs.regions.size / width, width),
            networks.value(inputs.mask, 1, 1, inputs.mask.size),
        )
    }
}

private fun Value.ids(): List<Int> = longs().map { it.toInt() }

/** Puts (N, D) features and (N, G) geometry side by side. */
private fun joinRegions(
    features: Value,
    geometry: Value,
    valid: BooleanArray,
): RegionRows {
    val (count, featureWidth) = features.shape
    val geometryWidth = geometry.shape[1]
    val width = featureWidth + geometryWidth
    val joined = FloatArray(count * width)
    val (featureRows, geometryRows) = features.floats() to geometry.floats()
    for (row in 0 until count) {
        featureRows.copyInto(joined, row * width, row * featureWidth, (row + 1) * featureWidth)
        geometryRows.copyInto(joined, row * width + featureWidth, row * geometryWidth, (row + 1) * geometryWidth)
    }
    return RegionRows(joined, width, valid)
}

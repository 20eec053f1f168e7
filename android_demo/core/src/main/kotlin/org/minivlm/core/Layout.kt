package org.minivlm.core

/** What is added to an attention score to hide a token. */
const val HIDDEN = -10000f

/**
 * Region vectors of one photo by falling score.
 *
 * @property values (M, [width]) row by row.
 * @property valid (M), false for rows that only fill the fixed number of rows.
 */
class RegionRows(
    val values: FloatArray,
    val width: Int,
    val valid: BooleanArray,
) {
    /** Returns the first [count] rows, filled up with zeros where there are fewer. */
    fun fitted(count: Int): FloatArray = values.copyOf(count * width)

    /** Returns the mask values, 0 or [HIDDEN], of the first [count] rows. */
    fun mask(count: Int): List<Float> = List(count) { if (valid.getOrElse(it) { false }) 0f else HIDDEN }
}

/**
 * What the transformer's task heads take, for a batch of one; T text tokens, N regions of D numbers, S = T + N.
 *
 * @property tokenIds (1, T).
 * @property tokenTypes (1, T), 0 for text and padding, 1 for tags and their [SEP].
 * @property positions (1, T).
 * @property regions (1, N, D).
 * @property mask (1, 1, S), 0 or [HIDDEN].
 */
class TransformerInputs(
    val tokenIds: LongArray,
    val tokenTypes: LongArray,
    val positions: LongArray,
    val regions: FloatArray,
    val mask: FloatArray,
)

/**
 * What a caption is written about.
 *
 * @property tagIds (1, tagLength).
 * @property regions (1, N, D).
 * @property mask (1, 1, tagLength + N), 0 or [HIDDEN].
 */
class CaptionContext(
    val tagIds: LongArray,
    val regions: FloatArray,
    val mask: FloatArray,
)

/**
 * [CLS] text [SEP] tags [SEP] padding, then regions: the layout of every task but captioning.
 *
 * @property textLength tokens in all.
 * @property regions region rows.
 */
data class TextLayout(
    val textLength: Int,
    val regions: Int,
) {
    /**
     * Lays out one example. What does not fit is cut from the end of the longer of the two, token by token, from the
     * tags when both are equally long. Without tags there is no second [SEP].
     *
     * @param text token ids of the question, without special tokens.
     * @param tags token ids of the detector's tags, joined by spaces before tokenization.
     */
    fun arrange(
        text: List<Int>,
        tags: List<Int>,
        rows: RegionRows,
        special: SpecialTokens,
    ): TransformerInputs {
        val (keptText, keptTags) = cutPair(text, tags)
        val first = listOf(special.cls) + keptText + special.sep
        val second = if (keptTags.isEmpty()) emptyList() else keptTags + special.sep
        val used = first.size + second.size
        return TransformerInputs(
            tokenIds = padded(first + second, textLength, special.pad),
            tokenTypes = LongArray(textLength) { if (it in first.size until used) 1 else 0 },
            positions = LongArray(textLength) { it.toLong() },
            regions = rows.fitted(regions),
            mask = mask(used, textLength, rows, regions),
        )
    }

    private fun cutPair(
        text: List<Int>,
        tags: List<Int>,
    ): Pair<List<Int>, List<Int>> {
        var texts = text.size
        var names = tags.size
        while (texts + names > textLength - 2 - (if (names > 0) 1 else 0)) {
            if (texts > names) texts-- else names--
        }
        return text.take(texts) to tags.take(names)
    }

    companion object {
        /** The sequence that the head "vqa" is fixed to. */
        val VQA = TextLayout(textLength = 128, regions = 50)
    }
}

/**
 * Caption, tags [SEP], regions, with a place of its own for each, so that the context can be computed once.
 *
 * @property captionLength most tokens of a caption, [CLS] and [SEP] included: the slots of the cache.
 * @property tagLength token rows for the tags, their [SEP] included.
 * @property regions region rows.
 */
data class CaptionLayout(
    val captionLength: Int = 20,
    val tagLength: Int = 30,
    val regions: Int = 50,
) {
    /** Lays out what a caption is about; tags that do not fit are cut. */
    fun context(
        tags: List<Int>,
        rows: RegionRows,
        special: SpecialTokens,
    ): CaptionContext {
        val cut = tags.take(tagLength - 1)
        val used = if (cut.isEmpty()) emptyList() else cut + special.sep
        return CaptionContext(
            tagIds = padded(used, tagLength, special.pad),
            regions = rows.fitted(regions),
            mask = mask(used.size, tagLength, rows, regions),
        )
    }
}

private fun padded(
    ids: List<Int>,
    length: Int,
    pad: Int,
): LongArray = LongArray(length) { ids.getOrElse(it) { pad }.toLong() }

private fun mask(
    used: Int,
    textLength: Int,
    rows: RegionRows,
    regions: Int,
): FloatArray = (List(textLength) { if (it < used) 0f else HIDDEN } + rows.mask(regions)).toFloatArray()

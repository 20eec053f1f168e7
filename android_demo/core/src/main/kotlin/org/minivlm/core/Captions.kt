package org.minivlm.core

import kotlin.math.exp
import kotlin.math.ln

/**
 * A finished caption.
 *
 * @property tokenIds from [CLS] to [SEP], both included.
 * @property score mean log-probability of the predicted tokens, [SEP] included.
 */
data class Caption(
    val tokenIds: List<Int>,
    val score: Double,
)

/**
 * A caption being written with an artifact's methods "prefill", once a photo, and "step", once a token.
 *
 * Shapes: L layers, H heads, d head width, C context rows, M caption slots, V vocabulary; see
 * `minivlm/language/exportable.py`.
 */
class CaptionSession(
    private val networks: Networks,
    layout: CaptionLayout,
    context: CaptionContext,
) {
    private val contextMask = networks.value(context.mask, 1, 1, context.mask.size)
    private val contextCache: List<Value> // keys and values, (L, 1, H, C, d) each
    private var captionCache: List<Value> // keys and values, (L, 1, H, M, d) each
    private var position = 0

    init {
        val width = context.regions.size / layout.regions
        contextCache =
            networks.run(
                "prefill",
                networks.value(context.tagIds, 1, context.tagIds.size),
                networks.value(context.regions, 1, layout.regions, width),
                contextMask,
            )
        val shape = contextCache[0].shape.copyOf()
        shape[3] = layout.captionLength
        val empty = FloatArray(shape.reduce(Int::times))
        captionCache = List(2) { networks.value(empty, *shape) }
    }

    /** Extends the caption by [token], [CLS] in the first call, and returns the (V) logits of the next one. */
    fun advance(token: Int): FloatArray {
        val (logits, keys, values) =
            networks.run(
                "step",
                networks.value(longArrayOf(token.toLong()), 1),
                networks.value(longArrayOf(position.toLong()), 1),
                contextCache[0],
                contextCache[1],
                contextMask,
                captionCache[0],
                captionCache[1],
            )
        captionCache = listOf(keys, values)
        position++
        return logits.floats()
    }
}

/**
 * Writes a caption greedily, which MiniVLM is evaluated with: the most probable token of each step until [SEP].
 *
 * At the length limit [SEP] takes the last token's place, but not its score, as in Oscar.
 *
 * @param advance see [CaptionSession.advance].
 * @param maxLength most tokens, [CLS] and [SEP] included; at least 2.
 * @param written takes the tokens so far, after every one that stays.
 */
fun writeCaption(
    special: SpecialTokens,
    maxLength: Int,
    advance: (Int) -> FloatArray,
    written: (List<Int>) -> Unit = {},
): Caption {
    require(maxLength >= 2) { "captions of $maxLength tokens have no room for [CLS] and [SEP]" }
    val ids = mutableListOf(special.cls)
    var total = 0.0
    do {
        val logits = advance(ids.last())
        val best = indexOfLargest(logits)
        total += logProbability(logits, best)
        ids += best
        if (ids.size < maxLength) written(ids) // at the limit the last one is given up
    } while (best != special.sep && ids.size < maxLength)
    ids[ids.lastIndex] = special.sep
    return Caption(ids, total / (ids.size - 1))
}

/** Returns the place of the largest element, the first of equal ones. */
fun indexOfLargest(values: FloatArray): Int {
    var best = 0
    for (index in values.indices) if (values[index] > values[best]) best = index
    return best
}

private fun logProbability(
    logits: FloatArray,
    index: Int,
): Double {
    val largest = logits.maxOf { it.toDouble() }
    return logits[index] - largest - ln(logits.sumOf { exp(it - largest) })
}

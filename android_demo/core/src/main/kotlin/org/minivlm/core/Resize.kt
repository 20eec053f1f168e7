package org.minivlm.core

private const val FRACTION_BITS = 22

/**
 * Weights of one axis: which old pixels make up each new one. docs/preprocessing.md, section 3.
 *
 * @property first first old pixel of each new one.
 * @property weights from there on, in units of 2^-22.
 */
private class Taps(
    val first: IntArray,
    val weights: Array<IntArray>,
)

private fun taps(
    length: Int,
    newLength: Int,
): Taps {
    val scale = length.toDouble() / newLength
    val support = maxOf(scale, 1.0)
    val first = IntArray(newLength)
    val weights =
        Array(newLength) { new ->
            val center = (new + 0.5) * scale
            first[new] = maxOf((center - support + 0.5).toInt(), 0)
            val end = minOf((center + support + 0.5).toInt(), length)
            val shares =
                DoubleArray(end - first[new]) {
                    maxOf(1.0 - Math.abs((first[new] + it - center + 0.5) * (1.0 / support)), 0.0)
                }
            var total = 0.0
            for (share in shares) total += share // in this order: another one may round differently
            IntArray(shares.size) { (shares[it] / total * (1 shl FRACTION_BITS) + 0.5).toInt() }
        }
    return Taps(first, weights)
}

/**
 * Resizes a photo, columns first, then rows, with 8 bits between the two.
 *
 * @return (newHeight, newWidth, 3) levels, row by row.
 */
internal fun resize(
    photo: Photo,
    newHeight: Int,
    newWidth: Int,
): ByteArray = resizeRows(resizeColumns(photo, newWidth), photo.height, newHeight, 3 * newWidth)

/** Returns (photo.height, newWidth, 3) levels; only one row of the photo is held at a time. */
private fun resizeColumns(
    photo: Photo,
    newWidth: Int,
): ByteArray {
    val row = ByteArray(3 * photo.width)
    val resized = ByteArray(photo.height * 3 * newWidth)
    val taps = taps(photo.width, newWidth)
    for (y in 0 until photo.height) {
        photo.readRow(y, row)
        var at = y * 3 * newWidth
        if (newWidth == photo.width) {
            row.copyInto(resized, at)
            continue
        }
        for (x in 0 until newWidth) {
            for (channel in 0 until 3) {
                resized[at++] = weighted(taps.weights[x], row, 3 * taps.first[x] + channel, 3)
            }
        }
    }
    return resized
}

/** Resizes (height, stride) levels to (newHeight, stride). */
private fun resizeRows(
    levels: ByteArray,
    height: Int,
    newHeight: Int,
    stride: Int,
): ByteArray {
    if (newHeight == height) return levels
    val taps = taps(height, newHeight)
    val resized = ByteArray(newHeight * stride)
    for (y in 0 until newHeight) {
        for (x in 0 until stride) {
            resized[y * stride + x] = weighted(taps.weights[y], levels, taps.first[y] * stride + x, stride)
        }
    }
    return resized
}

private fun weighted(
    weights: IntArray,
    levels: ByteArray,
    start: Int,
    stride: Int,
): Byte {
    var sum = 1 shl FRACTION_BITS - 1
    var at = start
    for (weight in weights) {
        sum += weight * (levels[at].toInt() and 255)
        at += stride
    }
    return (sum shr FRACTION_BITS).coerceIn(0, 255).toByte()
}

package org.minivlm.core

/** A decoded image as its file stores it: 8 bits a channel, alpha not multiplied in, not yet turned upright. */
interface Pixels {
    val width: Int
    val height: Int

    /** Writes row [y] into the first [width] places of [into], as 0xAARRGGBB. */
    fun readRow(
        y: Int,
        into: IntArray,
    )

    /** Writes column [x] into the first [height] places of [into], as 0xAARRGGBB. */
    fun readColumn(
        x: Int,
        into: IntArray,
    )
}

/**
 * How a camera was held, by the EXIF tag 0x0112 (EXIF 2.32, section 4.6.4 A).
 *
 * @property transposed rows of the upright photo are columns of the stored one.
 * @property fromRight the upright photo's first column is the stored one's last (row, when transposed).
 * @property fromBottom the upright photo's first row is the stored one's last (column, when transposed).
 */
data class Orientation(
    val transposed: Boolean,
    val fromRight: Boolean,
    val fromBottom: Boolean,
) {
    companion object {
        /** Returns the orientation of a tag's value; one that is missing or unknown counts as upright. */
        fun ofExif(value: Int): Orientation {
            val known = if (value in 1..8) value - 1 else 0
            return Orientation(transposed = known >= 4, fromRight = known % 4 in 1..2, fromBottom = known % 4 >= 2)
        }
    }
}

/** An upright photo without transparency, read row by row so that a large one need not be there twice. */
class Photo(
    private val stored: Pixels,
    private val orientation: Orientation = Orientation.ofExif(1),
) {
    /** Upright width in pixels. */
    val width: Int = if (orientation.transposed) stored.height else stored.width

    /** Upright height in pixels. */
    val height: Int = if (orientation.transposed) stored.width else stored.height

    private val line = IntArray(width)

    init {
        requirePhotoSize(width, height)
    }

    /** Writes row [y] into [into] as RGB bytes, three a pixel, transparency laid over white. */
    fun readRow(
        y: Int,
        into: ByteArray,
    ) {
        val from = if (orientation.fromBottom) height - 1 - y else y
        if (orientation.transposed) stored.readColumn(from, line) else stored.readRow(from, line)
        for (x in 0 until width) {
            val pixel = line[if (orientation.fromRight) width - 1 - x else x]
            val alpha = pixel ushr 24
            into[3 * x] = overWhite(pixel ushr 16 and 255, alpha)
            into[3 * x + 1] = overWhite(pixel ushr 8 and 255, alpha)
            into[3 * x + 2] = overWhite(pixel and 255, alpha)
        }
    }

    companion object {
        /** Most pixels of a photo. */
        const val MOST_PIXELS = 100_000_000L

        /** Longest side of a photo in pixels. */
        const val LONGEST_SIDE = 65_535

        /**
         * Refuses sizes that docs/preprocessing.md does not allow; call it before decoding.
         *
         * @throws UserError if the photo is empty or too large.
         */
        fun requirePhotoSize(
            width: Int,
            height: Int,
        ) {
            if (width < 1 || height < 1 || maxOf(width, height) > LONGEST_SIDE ||
                width.toLong() * height > MOST_PIXELS
            ) {
                throw UserError("the photo has $width x $height pixels: take one of 1 to 100 million")
            }
        }
    }
}

/** Returns `(level * alpha + 255 * (255 - alpha)) / 255`, rounded. */
private fun overWhite(
    level: Int,
    alpha: Int,
): Byte {
    val scaled = level * alpha + 255 * (255 - alpha) + 128
    return ((scaled shr 8) + scaled shr 8).toByte()
}

package org.minivlm.core

import org.junit.Assert.assertEquals
import org.junit.Test

/** Stored pixels become an upright photo without transparency. */
class PhotoTest {
    /**
     * What each value of the EXIF tag undoes (EXIF 2.32, section 4.6.4 A): where the stored photo's first row and
     * first column are in the scene. Stored is always
     *
     *     1 2 3
     *     4 5 6
     */
    private val upright =
        mapOf(
            1 to listOf(listOf(1, 2, 3), listOf(4, 5, 6)),
            2 to listOf(listOf(3, 2, 1), listOf(6, 5, 4)),
            3 to listOf(listOf(6, 5, 4), listOf(3, 2, 1)),
            4 to listOf(listOf(4, 5, 6), listOf(1, 2, 3)),
            5 to listOf(listOf(1, 4), listOf(2, 5), listOf(3, 6)),
            6 to listOf(listOf(4, 1), listOf(5, 2), listOf(6, 3)),
            7 to listOf(listOf(6, 3), listOf(5, 2), listOf(4, 1)),
            8 to listOf(listOf(3, 6), listOf(2, 5), listOf(1, 4)),
        )

    @Test
    fun `every orientation is turned upright`() {
        for ((exif, rows) in upright) {
            val photo = Photo(Grid(3, 2) { x, y -> 0xFF_00_00_00.toInt() or (3 * y + x + 1) }, Orientation.ofExif(exif))
            assertEquals("EXIF $exif", rows, (0 until photo.height).map { row(photo, it).map { pixel -> pixel[2] } })
        }
    }

    @Test
    fun `a tag that is missing or unknown means upright`() {
        for (exif in listOf(0, 9, -1, 1000)) assertEquals(Orientation.ofExif(1), Orientation.ofExif(exif))
    }

    @Test
    fun `transparency is laid over white`() {
        for (alpha in 0..255) {
            for (level in listOf(0, 1, 100, 254, 255)) {
                val photo = solid(1, 1, (alpha shl 24) or (level shl 16))
                val expected = Math.round((level * alpha + 255.0 * (255 - alpha)) / 255).toInt()
                assertEquals("level $level, alpha $alpha", expected, row(photo, 0)[0][0])
            }
        }
    }

    private fun row(
        photo: Photo,
        y: Int,
    ): List<List<Int>> {
        val bytes = ByteArray(3 * photo.width)
        photo.readRow(y, bytes)
        return bytes.map { it.toInt() and 255 }.chunked(3)
    }
}

/** A photo whose pixels are all the same 0xAARRGGBB. */
fun solid(
    width: Int,
    height: Int,
    pixel: Int = -1,
): Photo = Photo(Grid(width, height) { _, _ -> pixel })

/** Pixels made by a function of column and row. */
class Grid(
    override val width: Int,
    override val height: Int,
    private val pixel: (Int, Int) -> Int,
) : Pixels {
    override fun readRow(
        y: Int,
        into: IntArray,
    ) {
        for (x in 0 until width) into[x] = pixel(x, y)
    }

    override fun readColumn(
        x: Int,
        into: IntArray,
    ) {
        for (y in 0 until height) into[y] = pixel(x, y)
    }
}

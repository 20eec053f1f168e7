package org.minivlm.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

/** The network's input to the bit, as docs/preprocessing.md demands; tests/fixtures/preprocess holds it. */
class PreprocessTest {
    private val fixture = Fixtures.json("preprocess/expected.json")
    private val photo = Fixtures.photo("preprocess/photo.png")
    private val cases = fixture.children("cases")

    @Test
    fun `every letterboxed tensor equals Python's to the bit`() {
        val letterboxed = cases.filter { it["function"] == "letterbox" }
        assertEquals(2, letterboxed.size)
        for (case in letterboxed) {
            val (height, width) = case.child("arguments").ints("size")
            val made = letterbox(photo, height, width, pixels(case))
            assertBitsEqual(case.field("tensor"), made.image)
            assertArrayEquals(case.floats("extent"), made.extent, 0f)
        }
    }

    @Test
    fun `a tensor without padding and in another channel order equals Python's to the bit`() {
        val case = cases.single { it["function"] == "resize_short_side" }
        val (height, width) = case.ints("shape").takeLast(2)
        val image = FloatArray(3 * height * width)
        normalise(resize(photo, height, width), height, width, pixels(case), image, height, width)
        assertBitsEqual(case.field("tensor"), image)
    }

    @Test
    fun `boxes come back to the photo`() {
        for (case in cases.filter { it["function"] == "letterbox" }) {
            val (height, width) = case.child("arguments").ints("size")
            val back = letterbox(photo, height, width, pixels(case)).toPhoto(case.floats("boxes"))
            // Tolerance 1e-6 of a coordinate up to 64: float32 arithmetic, as the specification allows.
            assertArrayEquals(case.floats("boxes_in_photo"), back, 64e-6f)
        }
    }

    @Test
    fun `a flat photo stays flat, at every size`() {
        val flat = solid(123, 457, 0xFF_FF_80_01.toInt())
        for ((height, width) in listOf(64 to 64, 500 to 300)) {
            val levels = resize(flat, height, width)
            assertEquals(setOf(listOf<Byte>(-1, -128, 1)), levels.toList().chunked(3).toSet())
        }
    }

    @Test
    fun `sides are rounded half up and keep at least a pixel`() {
        // 200 x 101 at half its size is 50.5 high: 51; half to even would be 50.
        val half = letterbox(solid(200, 101), 100, 100, PixelFormat.IMAGENET_RGB)
        assertArrayEquals(floatArrayOf(51f, 100f), half.extent, 0f)
        val line = letterbox(solid(10_000, 1), 64, 64, PixelFormat.IMAGENET_RGB)
        assertArrayEquals(floatArrayOf(1f, 64f), line.extent, 0f)
    }

    @Test
    fun `padding is the mean colour`() {
        val made = letterbox(solid(60, 30), 64, 64, PixelFormat.IMAGENET_RGB)
        for (y in 0 until 64) {
            for (x in 0 until 64) assertEquals(y >= made.extentHeight, made.image[64 * y + x] == 0f)
        }
    }

    @Test
    fun `a photo that is too large is refused before it is decoded`() {
        for ((width, height) in listOf(0 to 5, 10_001 to 10_000, 65_536 to 1)) {
            val error = assertThrows(UserError::class.java) { Photo.requirePhotoSize(width, height) }
            assertEquals("the photo has $width x $height pixels: take one of 1 to 100 million", error.message)
        }
        Photo.requirePhotoSize(10_000, 10_000)
    }

    private fun pixels(case: JsonObject): PixelFormat {
        val format = case.child("pixels")
        val channels = if (format["channels"] == "bgr") listOf(2, 1, 0) else listOf(0, 1, 2)
        return PixelFormat(channels, format.floats("mean").toList(), format.floats("std").toList())
    }

    private fun assertBitsEqual(
        expected: String,
        made: FloatArray,
    ) {
        val stored = Fixtures.floats("preprocess/$expected")
        assertEquals(expected, stored.map { it.toRawBits() }, made.map { it.toRawBits() })
    }
}

package org.minivlm.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test

/** Which region a tap means. Expected places are worked out by hand. */
class TouchTest {
    private val large = box(0f, 0f, 100f, 100f)
    private val middle = box(20f, 20f, 80f, 80f)
    private val small = box(40f, 40f, 60f, 60f)
    private val boxes = listOf(large, small, middle)

    @Test
    fun `of boxes that lie in each other a tap means the smallest, and the next tap the next larger one`() {
        val taps = generateSequence(tapped(boxes, 50f, 50f, 0f, null)) { tapped(boxes, 50f, 50f, 0f, it) }
        assertEquals(listOf(1, 2, 0, 1), taps.take(4).toList())
    }

    @Test
    fun `a tap elsewhere begins with the smallest there`() {
        assertEquals(2, tapped(boxes, 30f, 30f, 0f, 1))
        assertEquals(0, tapped(boxes, 10f, 10f, 0f, 2))
        assertEquals("the only box stays selected", 0, tapped(boxes, 10f, 10f, 0f, 0))
    }

    @Test
    fun `beside all boxes a tap means none`() {
        assertNull(tapped(boxes, 101f, 50f, 0f, 1))
        assertNull(tapped(emptyList(), 0f, 0f, 10f, null))
    }

    @Test
    fun `edges belong to a box`() {
        assertEquals(0, tapped(boxes, 100f, 0f, 0f, null))
    }

    @Test
    fun `a finger beside a tiny box means it, unless it is in another one`() {
        val tiny = listOf(box(50f, 50f, 51f, 51f))
        assertEquals(0, tapped(tiny, 60f, 45f, 10f, null))
        assertNull(tapped(tiny, 62f, 45f, 10f, null))
        assertEquals("the large box is under the finger", 1, tapped(tiny + large, 55f, 50f, 10f, null))
    }

    @Test
    fun `a photo fills the view's shorter side and lies in the middle`() {
        // A photo of 200 x 100 in a view of 400 x 400: twice as large, 100 pixels of room above and below.
        val place = PhotoPlace(400, 400, 200, 100)
        assertEquals(2f, place.scale)
        assertArrayEquals(floatArrayOf(0f, 100f, 400f, 300f), place.inView(floatArrayOf(0f, 0f, 200f, 100f)), 0f)
        assertEquals(listOf(50f, 25f), listOf(place.photoX(100f), place.photoY(150f)))
        assertEquals("narrower than the view", 150f, PhotoPlace(400, 100, 100, 100).left)
    }

    private fun box(vararg corners: Float) = TaggedBox("thing", 0.5f, corners)
}

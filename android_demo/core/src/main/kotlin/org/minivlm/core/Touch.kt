package org.minivlm.core

/**
 * Where a photo lies in a view that shows all of it: as large as fits, in the middle.
 *
 * Both sizes are in pixels, those of the view and those of the upright photo.
 */
class PhotoPlace(
    viewWidth: Int,
    viewHeight: Int,
    photoWidth: Int,
    photoHeight: Int,
) {
    /** Pixels of the view for one of the photo. */
    val scale: Float = minOf(viewWidth.toFloat() / photoWidth, viewHeight.toFloat() / photoHeight)

    /** The photo's left edge in the view. */
    val left: Float = (viewWidth - photoWidth * scale) / 2

    /** The photo's upper edge in the view. */
    val top: Float = (viewHeight - photoHeight * scale) / 2

    /** Returns the photo's column at a column of the view. */
    fun photoX(x: Float): Float = (x - left) / scale

    /** Returns the photo's row at a row of the view. */
    fun photoY(y: Float): Float = (y - top) / scale

    /** Returns an xyxy box of the photo in pixels of the view. */
    fun inView(box: FloatArray): FloatArray = FloatArray(4) { box[it] * scale + if (it % 2 == 0) left else top }
}

/**
 * Returns which box a tap at (x, y) means, or null where there is none.
 *
 * Of several it is the smallest, which has the least other room to be tapped in; each further tap takes the next larger
 * one, and after the largest the smallest again. Boxes that only [margin] makes reachable count where no box is
 * under the finger.
 *
 * @param boxes what can be tapped; boxes, point and margin are in pixels of the photo.
 * @param margin how far beside a box a tap still counts: fingers are wide.
 * @param selected the box that is selected now.
 */
fun tapped(
    boxes: List<TaggedBox>,
    x: Float,
    y: Float,
    margin: Float,
    selected: Int?,
): Int? {
    val within = boxes.indices.filter { contains(boxes[it].box, x, y, 0f) }
    val near = within.ifEmpty { boxes.indices.filter { contains(boxes[it].box, x, y, margin) } }
    val ordered = near.sortedBy { area(boxes[it].box) }
    if (ordered.isEmpty()) return null
    return ordered[(ordered.indexOf(selected) + 1) % ordered.size]
}

private fun contains(
    box: FloatArray,
    x: Float,
    y: Float,
    margin: Float,
): Boolean {
    val (x1, y1, x2, y2) = box
    return x >= x1 - margin && x <= x2 + margin && y >= y1 - margin && y <= y2 + margin
}

private fun area(box: FloatArray): Float = (box[2] - box[0]) * (box[3] - box[1])

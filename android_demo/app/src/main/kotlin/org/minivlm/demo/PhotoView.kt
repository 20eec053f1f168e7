package org.minivlm.demo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.graphics.RectF
import android.util.AttributeSet
import android.view.View
import org.minivlm.core.TaggedBox

private const val SHOWN_BOXES = 12
private const val BACKGROUND = 0xB0000000.toInt()

/** A photo with the best boxes and their tags over it. */
class PhotoView(
    context: Context,
    attributes: AttributeSet,
) : View(context, attributes) {
    private val density = resources.displayMetrics.density
    private val place = RectF()
    private val outline = RectF()
    private var photo: Bitmap? = null
    private var boxes: List<TaggedBox> = emptyList()
    private var photoWidth = 1

    private val line =
        Paint(Paint.ANTI_ALIAS_FLAG).apply {
            style = Paint.Style.STROKE
            strokeWidth = 2 * density
        }
    private val background = Paint().apply { color = BACKGROUND }
    private val text =
        Paint(Paint.ANTI_ALIAS_FLAG).apply {
            color = Color.WHITE
            textSize = 12 * resources.displayMetrics.scaledDensity
        }

    /** Shows a photo without boxes. */
    fun showPhoto(bitmap: Bitmap) {
        photo = bitmap
        boxes = emptyList()
        invalidate()
    }

    /** Adds boxes in pixels of the photo, which is [width] pixels wide; the photo shown may be smaller. */
    fun showBoxes(
        found: List<TaggedBox>,
        width: Int,
    ) {
        boxes = found.take(SHOWN_BOXES)
        photoWidth = width
        contentDescription = boxes.joinToString { it.tag }
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        super.onDraw(canvas)
        val shown = photo ?: return
        val fit = minOf(width.toFloat() / shown.width, height.toFloat() / shown.height)
        val left = (width - shown.width * fit) / 2
        val top = (height - shown.height * fit) / 2
        place.set(left, top, left + shown.width * fit, top + shown.height * fit)
        canvas.drawBitmap(shown, null, place, null)
        val scale = place.width() / photoWidth
        for (index in boxes.indices.reversed()) drawBox(canvas, boxes[index], index, scale)
    }

    private fun drawBox(
        canvas: Canvas,
        tagged: TaggedBox,
        index: Int,
        scale: Float,
    ) {
        val (x1, y1, x2, y2) = tagged.box
        outline.set(place.left + x1 * scale, place.top + y1 * scale, place.left + x2 * scale, place.top + y2 * scale)
        line.color = Color.HSVToColor(floatArrayOf(360f * index / SHOWN_BOXES, 1f, 1f))
        canvas.drawRect(outline, line)
        val label = "%s %.0f %%".format(tagged.tag, 100 * tagged.score)
        val labelHeight = text.descent() - text.ascent()
        canvas.drawRect(
            outline.left,
            outline.top,
            outline.left + text.measureText(label),
            outline.top + labelHeight,
            background,
        )
        canvas.drawText(label, outline.left, outline.top - text.ascent(), text)
    }
}

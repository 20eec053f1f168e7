package org.minivlm.demo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.graphics.RectF
import android.util.AttributeSet
import android.view.MotionEvent
import android.view.View
import org.minivlm.core.PhotoPlace
import org.minivlm.core.SHOWN_BOXES
import org.minivlm.core.Screen

private const val BACKGROUND = 0xB0000000.toInt()

/** Half of the 48 dp that a finger needs. */
private const val MARGIN_DP = 24

/** A photo with its regions over it, which can be tapped. */
class PhotoView(
    context: Context,
    attributes: AttributeSet,
) : View(context, attributes) {
    private val density = resources.displayMetrics.density
    private val area = RectF()
    private var photo: Bitmap? = null
    private var screen = Screen()

    /** Takes a tap: column and row in pixels of the photo, and how far a finger may be off. */
    var onTap: (Float, Float, Float) -> Unit = { _, _, _ -> }

    /** Takes a click without a place, as screen readers and keyboards make it. */
    var onNext: () -> Unit = {}

    private val line = Paint(Paint.ANTI_ALIAS_FLAG).apply { style = Paint.Style.STROKE }
    private val background = Paint().apply { color = BACKGROUND }
    private val text =
        Paint(Paint.ANTI_ALIAS_FLAG).apply {
            color = Color.WHITE
            textSize = 12 * resources.displayMetrics.scaledDensity
        }

    init {
        isFocusable = true
        isClickable = true
    }

    /** Shows a photo, which may be smaller than the one that the regions are of. */
    fun show(
        bitmap: Bitmap?,
        now: Screen,
    ) {
        photo = bitmap
        screen = now
        contentDescription = now.photoDescription
        invalidate()
    }

    override fun onTouchEvent(event: MotionEvent): Boolean {
        if (event.actionMasked != MotionEvent.ACTION_UP) return true // a drag ends with ACTION_CANCEL: the page scrolls
        val place = place()
        if (place == null) performClick() else onTap(place.photoX(event.x), place.photoY(event.y), margin(place))
        return true
    }

    override fun performClick(): Boolean {
        super.performClick()
        onNext()
        return true
    }

    override fun onDraw(canvas: Canvas) {
        super.onDraw(canvas)
        val shown = photo ?: return
        val place = place() ?: PhotoPlace(width, height, shown.width, shown.height)
        area.set(place.left, place.top, width - place.left, height - place.top)
        canvas.drawBitmap(shown, null, area, null)
        val last = listOfNotNull(screen.selected) // over all others
        for (index in screen.boxes.indices.reversed() - last.toSet() + last) drawBox(canvas, index, place)
    }

    private fun place(): PhotoPlace? {
        if (photo == null || screen.photoWidth == 0) return null
        return PhotoPlace(width, height, screen.photoWidth, screen.photoHeight)
    }

    private fun margin(place: PhotoPlace) = MARGIN_DP * density / place.scale

    /** Once a region is selected the others have no labels. */
    private fun drawBox(
        canvas: Canvas,
        index: Int,
        place: PhotoPlace,
    ) {
        val tagged = screen.boxes[index]
        val (x1, y1, x2, y2) = place.inView(tagged.box)
        val isSelected = screen.selected == index
        line.color = Color.HSVToColor(floatArrayOf(360f * index / SHOWN_BOXES, 1f, 1f))
        line.strokeWidth = (if (isSelected) 4 else 2) * density
        canvas.drawRect(x1, y1, x2, y2, line)
        if (screen.selected != null && !isSelected) return
        val labelHeight = text.descent() - text.ascent()
        canvas.drawRect(x1, y1, x1 + text.measureText(tagged.label), y1 + labelHeight, background)
        canvas.drawText(tagged.label, x1, y1 - text.ascent(), text)
    }
}

package org.minivlm.demo

import android.annotation.SuppressLint
import android.content.Context
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.graphics.Path
import android.view.View
import org.minivlm.core.Chart
import kotlin.math.roundToInt

private const val HEIGHT_DP = 200
private const val MARGIN_DP = 4
private const val BAND_ALPHA = 60

/** Latency over time, with the thermal statuses as coloured bands behind it; what it shows is in [Chart]. */
@SuppressLint("ViewConstructor") // it is made by code only, with what it shows
class ChartView(
    context: Context,
    private val chart: Chart,
) : View(context) {
    private val density = resources.displayMetrics.density
    private val words =
        Paint(Paint.ANTI_ALIAS_FLAG).apply {
            color = themeColor(android.R.attr.textColorSecondary)
            textSize = 12 * resources.displayMetrics.scaledDensity
        }
    private val grid = Paint().apply { color = words.color and 0xFFFFFF or (BAND_ALPHA shl 24) }
    private val line =
        Paint(Paint.ANTI_ALIAS_FLAG).apply {
            style = Paint.Style.STROKE
            strokeWidth = 2 * density
            color = themeColor(android.R.attr.colorAccent)
        }
    private val band = Paint()
    private val path = Path()
    private val lineHeight = words.descent() - words.ascent()
    private val left = chart.latencies.maxOf { words.measureText(it.label) } + MARGIN_DP * density

    init {
        contentDescription = chart.description
        isFocusable = true
    }

    override fun onMeasure(
        widthMeasureSpec: Int,
        heightMeasureSpec: Int,
    ) {
        val wanted = (HEIGHT_DP * density + 3 * lineHeight).roundToInt() // room for words
        setMeasuredDimension(getDefaultSize(0, widthMeasureSpec), wanted)
    }

    override fun onDraw(canvas: Canvas) {
        super.onDraw(canvas)
        drawBands(canvas)
        for (tick in chart.latencies) {
            canvas.drawLine(left, y(tick.place), width.toFloat(), y(tick.place), grid)
            canvas.drawText(tick.label, 0f, y(tick.place) + lineHeight / 4, words)
        }
        for (tick in chart.times) {
            val wide = words.measureText(tick.label)
            val from = minOf(x(tick.place) - wide / 2, width - wide)
            canvas.drawText(tick.label, from, y(0.0) + 1.5f * lineHeight, words)
        }
        path.reset()
        chart.points.forEachIndexed { index, (time, latency) ->
            if (index == 0) path.moveTo(x(time), y(latency)) else path.lineTo(x(time), y(latency))
        }
        canvas.drawPath(path, line)
    }

    private fun drawBands(canvas: Canvas) {
        for (state in chart.bands) {
            band.color = COLORS.getOrElse(state.status) { Color.RED }
            band.alpha = BAND_ALPHA
            canvas.drawRect(x(state.from), y(1.0), x(state.to), y(0.0), band)
            val fits = words.measureText(state.status) <= x(state.to) - x(state.from)
            if (fits) canvas.drawText(state.status, x(state.from), y(0.0) + 2.5f * lineHeight, words)
        }
    }

    private fun x(place: Double): Float = left + place.toFloat() * (width - left - line.strokeWidth)

    private fun y(place: Double): Float = height - 2.5f * lineHeight - place.toFloat() * HEIGHT_DP * density

    private fun themeColor(attribute: Int): Int {
        val found = context.obtainStyledAttributes(intArrayOf(attribute))
        return try {
            found.getColor(0, Color.GRAY)
        } finally {
            found.recycle()
        }
    }

    private companion object {
        /** From "severe" on all are red. The names stand below the bands: colour alone tells nobody enough. */
        val COLORS = mapOf("none" to Color.GREEN, "light" to Color.YELLOW, "moderate" to Color.rgb(255, 140, 0))
    }
}

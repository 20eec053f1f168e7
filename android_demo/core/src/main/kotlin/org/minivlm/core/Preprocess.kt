package org.minivlm.core

/**
 * How a network's pixels are normalised: `(level - mean) / std` in the network's channel order.
 *
 * @property channels for each channel of the network, its place in RGB.
 * @property mean on the scale 0..255, in the network's order.
 * @property std likewise.
 */
class PixelFormat(
    val channels: List<Int>,
    val mean: List<Float>,
    val std: List<Float>,
) {
    companion object {
        /** torchvision's and timm's statistics of ImageNet, which every exported detector is trained with. */
        val IMAGENET_RGB =
            PixelFormat(listOf(0, 1, 2), listOf(123.675f, 116.28f, 103.53f), listOf(58.395f, 57.12f, 57.375f))
    }
}

/**
 * A photo as a network takes it, and what leads back to the photo's pixels.
 *
 * @property image (1, 3, [height], [width]), normalised, row by row.
 * @property extentHeight height in pixels of the photo within the image, from the top-left corner.
 * @property extentWidth likewise its width.
 */
class NetworkInput(
    val image: FloatArray,
    val height: Int,
    val width: Int,
    val extentHeight: Int,
    val extentWidth: Int,
    private val photoHeight: Int,
    private val photoWidth: Int,
) {
    /** (2) height and width of the photo within the image, as the network takes it. */
    val extent: FloatArray get() = floatArrayOf(extentHeight.toFloat(), extentWidth.toFloat())

    /** Carries (N, 4) xyxy boxes in pixels of the image over to the photo's pixels, clipped to it. */
    fun toPhoto(boxes: FloatArray): FloatArray {
        val scaleX = (extentWidth.toDouble() / photoWidth).toFloat()
        val scaleY = (extentHeight.toDouble() / photoHeight).toFloat()
        return FloatArray(boxes.size) { index ->
            if (index % 2 == 0) {
                (boxes[index] / scaleX).coerceIn(0f, photoWidth.toFloat())
            } else {
                (boxes[index] / scaleY).coerceIn(0f, photoHeight.toFloat())
            }
        }
    }
}

/**
 * Scales a photo, up or down, until it just fits, and pads it at the right and the bottom with the mean colour.
 *
 * docs/preprocessing.md fixes every step to the bit.
 */
fun letterbox(
    photo: Photo,
    height: Int,
    width: Int,
    pixels: PixelFormat,
): NetworkInput {
    val byHeight = height.toLong() * photo.width <= width.toLong() * photo.height
    val numerator = if (byHeight) height else width
    val denominator = if (byHeight) photo.height else photo.width
    val newHeight = scaled(photo.height, numerator, denominator)
    val newWidth = scaled(photo.width, numerator, denominator)
    val levels = resize(photo, newHeight, newWidth)
    val image = FloatArray(3 * height * width) // zero is the mean colour
    normalise(levels, newHeight, newWidth, pixels, image, height, width)
    return NetworkInput(image, height, width, newHeight, newWidth, photo.height, photo.width)
}

/** Returns a side's new length, rounded half up in whole numbers. */
private fun scaled(
    side: Int,
    numerator: Int,
    denominator: Int,
): Int = maxOf(1L, (2L * side * numerator + denominator) / (2L * denominator)).toInt()

/** Writes (rows, columns, 3) levels into the top-left corner of the (3, height, width) image. */
internal fun normalise(
    levels: ByteArray,
    rows: Int,
    columns: Int,
    pixels: PixelFormat,
    image: FloatArray,
    height: Int,
    width: Int,
) {
    for (channel in 0 until 3) {
        val mean = pixels.mean[channel]
        val std = pixels.std[channel]
        val byLevel = FloatArray(256) { (it - mean) / std }
        for (y in 0 until rows) {
            val from = 3 * y * columns + pixels.channels[channel]
            val to = (channel * height + y) * width
            for (x in 0 until columns) image[to + x] = byLevel[levels[from + 3 * x].toInt() and 255]
        }
    }
}

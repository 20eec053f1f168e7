package org.minivlm.demo

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Matrix
import android.media.ExifInterface
import org.minivlm.core.Orientation
import org.minivlm.core.Photo
import org.minivlm.core.Pixels
import org.minivlm.core.UserError
import java.io.File
import java.io.IOException

/** Longest side in pixels of what is shown on the screen. */
private const val PREVIEW_SIDE = 2048

/**
 * Decodes a photo for the network, as docs/preprocessing.md says.
 *
 * Photos with a wide-gamut profile are converted to sRGB, which that document allows.
 *
 * @throws UserError if the file is no photo that this phone decodes, or too large.
 */
fun readPhoto(file: File): Photo {
    val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
    BitmapFactory.decodeFile(file.path, bounds)
    when {
        bounds.outMimeType == null -> {
            throw UserError("${file.name} is no photo: pick a JPEG, PNG or WebP file")
        }

        bounds.outMimeType.startsWith("image/hei") -> {
            throw UserError("${file.name} is HEIC, which the networks' reference does not read: save it as JPEG")
        }
    }
    Photo.requirePhotoSize(bounds.outWidth, bounds.outHeight)
    val options =
        BitmapFactory.Options().apply {
            inScaled = false
            inPremultiplied = false
            inPreferredConfig = Bitmap.Config.ARGB_8888
        }
    val bitmap = decode(file, options)
    return Photo(BitmapPixels(bitmap), Orientation.ofExif(exifOrientation(file)))
}

/** Decodes a photo for the screen: upright, and no larger than needed. */
fun readPreview(file: File): Bitmap {
    val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
    BitmapFactory.decodeFile(file.path, bounds)
    var reduction = 1
    while (maxOf(bounds.outWidth, bounds.outHeight) / reduction > PREVIEW_SIDE) reduction *= 2
    val bitmap = decode(file, BitmapFactory.Options().apply { inSampleSize = reduction })
    val upright = uprightMatrix(Orientation.ofExif(exifOrientation(file)))
    return Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, upright, false)
}

private fun decode(
    file: File,
    options: BitmapFactory.Options,
): Bitmap =
    try {
        BitmapFactory.decodeFile(file.path, options)
            ?: throw UserError("${file.name} is damaged: pick another photo")
    } catch (error: OutOfMemoryError) {
        throw UserError("${file.name} is larger than this phone's memory allows: pick a smaller photo", error)
    }

private fun exifOrientation(file: File): Int =
    try {
        ExifInterface(file.path).getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL)
    } catch (without: IOException) {
        ExifInterface.ORIENTATION_NORMAL
    }

private fun uprightMatrix(orientation: Orientation): Matrix {
    val matrix = Matrix()
    if (orientation.transposed) matrix.setValues(floatArrayOf(0f, 1f, 0f, 1f, 0f, 0f, 0f, 0f, 1f))
    matrix.postScale(if (orientation.fromRight) -1f else 1f, if (orientation.fromBottom) -1f else 1f)
    return matrix
}

private class BitmapPixels(
    private val bitmap: Bitmap,
) : Pixels {
    override val width: Int get() = bitmap.width

    override val height: Int get() = bitmap.height

    override fun readRow(
        y: Int,
        into: IntArray,
    ) = bitmap.getPixels(into, 0, width, 0, y, width, 1)

    override fun readColumn(
        x: Int,
        into: IntArray,
    ) = bitmap.getPixels(into, 0, 1, x, 0, 1, height)
}

package org.minivlm.demo

import android.content.Context
import android.database.Cursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import java.io.File

/** Lends one file to the camera app that was asked for a photo; nobody else gets permission. */
class CapturedPhotoProvider : LendingProvider() {
    override fun openFile(
        uri: Uri,
        mode: String,
    ): ParcelFileDescriptor =
        ParcelFileDescriptor.open(file(requireNotNull(context)), ParcelFileDescriptor.parseMode(mode))

    override fun getType(uri: Uri): String = "image/jpeg"

    override fun query(
        uri: Uri,
        projection: Array<String>?,
        selection: String?,
        selectionArgs: Array<String>?,
        sortOrder: String?,
    ): Cursor? = null

    companion object {
        /** Where the camera app writes to. */
        val URI: Uri = Uri.parse("content://org.minivlm.demo.captured/photo.jpg")

        /** The file behind [URI]. */
        fun file(context: Context): File = File(context.cacheDir, "captured.jpg")
    }
}

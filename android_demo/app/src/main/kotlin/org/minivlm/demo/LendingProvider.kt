package org.minivlm.demo

import android.content.ContentProvider
import android.content.ContentValues
import android.net.Uri

/** Lends a file to one app; nothing can be put in, changed or removed through it but the file's own bytes. */
abstract class LendingProvider : ContentProvider() {
    override fun onCreate(): Boolean = true

    override fun insert(
        uri: Uri,
        values: ContentValues?,
    ): Uri? = null

    override fun update(
        uri: Uri,
        values: ContentValues?,
        selection: String?,
        selectionArgs: Array<String>?,
    ): Int = 0

    override fun delete(
        uri: Uri,
        selection: String?,
        selectionArgs: Array<String>?,
    ): Int = 0
}

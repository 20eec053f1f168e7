package org.minivlm.demo

import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import org.minivlm.core.RECORDS
import java.io.File
import java.io.FileNotFoundException

/** Lends the records, for reading, to the app that the user shares them with; nobody else gets permission. */
class SharedRecordsProvider : LendingProvider() {
    private val records get() = File(requireNotNull(context).filesDir, RECORDS)

    override fun openFile(
        uri: Uri,
        mode: String,
    ): ParcelFileDescriptor {
        if (uri != URI || mode != "r") throw FileNotFoundException("$uri is not there for \"$mode\"")
        return ParcelFileDescriptor.open(records, ParcelFileDescriptor.MODE_READ_ONLY)
    }

    override fun getType(uri: Uri): String = TYPE

    /** Name and size, which apps ask for before they take a file. */
    override fun query(
        uri: Uri,
        projection: Array<String>?,
        selection: String?,
        selectionArgs: Array<String>?,
        sortOrder: String?,
    ): Cursor {
        val known = mapOf(OpenableColumns.DISPLAY_NAME to records.name, OpenableColumns.SIZE to records.length())
        val columns = projection?.filter { it in known } ?: known.keys
        val cursor = MatrixCursor(columns.toTypedArray(), 1)
        cursor.addRow(columns.map { known[it] })
        return cursor
    }

    companion object {
        /** One JSON object a line. No registered type says so; apps that take files take plain text. */
        const val TYPE = "text/plain"

        /** The records of this phone. */
        val URI: Uri = Uri.parse("content://org.minivlm.demo.records/records.jsonl")
    }
}

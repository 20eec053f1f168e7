package org.minivlm.core

import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.io.RandomAccessFile
import java.security.MessageDigest

private const val CHUNK = 1 shl 16

/** Returns the SHA-256 of a file in hexadecimal. */
fun sha256(file: File): String {
    val digest = MessageDigest.getInstance("SHA-256")
    file.inputStream().use { stream ->
        val chunk = ByteArray(CHUNK)
        while (true) {
            val read = stream.read(chunk)
            if (read < 0) break
            digest.update(chunk, 0, read)
        }
    }
    return digest.digest().joinToString("") { "%02x".format(it) }
}

/**
 * Writes a file as a whole or not at all.
 *
 * @throws UserError if there is no room.
 */
fun replaceFile(
    file: File,
    content: ByteArray,
) = saying(file) {
    file.parentFile?.mkdirs()
    val partial = file.resolveSibling(".${file.name}.partial")
    try {
        writeSynced(partial, content)
        if (!partial.renameTo(file)) throw IOException("cannot rename ${partial.name}")
    } finally {
        partial.delete()
    }
}

/**
 * Adds a line to a file, on disk when this returns; where that fails the file is as it was.
 *
 * @throws UserError if there is no room.
 */
fun appendLine(
    file: File,
    line: String,
) = saying(file) {
    file.parentFile?.mkdirs()
    RandomAccessFile(file, "rw").use { opened ->
        val length = opened.length()
        try {
            if (length > 0) {
                opened.seek(length - 1)
                if (opened.read() != '\n'.code) opened.write('\n'.code) // what a killed process left ends here
            }
            opened.write("$line\n".toByteArray())
            opened.fd.sync()
        } catch (error: IOException) {
            opened.setLength(length)
            throw error
        }
    }
}

private fun writeSynced(
    file: File,
    content: ByteArray,
) = FileOutputStream(file).use {
    it.write(content)
    it.fd.sync()
}

private fun saying(
    file: File,
    write: () -> Unit,
) = try {
    write()
} catch (error: IOException) {
    throw UserError("cannot write ${file.path} (${error.message}): free space on the phone", error)
}

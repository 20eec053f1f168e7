package org.minivlm.demo

import android.graphics.Bitmap
import android.os.Handler
import android.os.Looper
import org.minivlm.core.Demo
import java.io.Closeable
import java.io.File
import java.util.concurrent.Executor
import java.util.concurrent.Executors

/** What is kept when the phone is turned, or its colours or text size change, and the views are made anew. */
class KeptDemo(
    files: File,
) : Closeable {
    private val worker = Executors.newSingleThreadExecutor()
    private val handler = Handler(Looper.getMainLooper())

    /** The screen without its views. */
    val demo = Demo(File(files, "models"), accelerators(), worker, Executor { handler.post(it) })

    /** The photo as it is shown. */
    var preview: Bitmap? = null
        private set

    /** The caption that a screen reader said last. */
    var spoken = ""

    /** Describes the photo that [find] brings, which happens once, beside the screen. */
    fun describe(find: () -> File) {
        val file by lazy(find)
        preview = null
        demo.describe {
            val photo = readPhoto(file)
            val small = readPreview(file)
            handler.post { preview = small }
            return@describe photo
        }
    }

    override fun close() {
        demo.close()
        worker.shutdown()
    }
}

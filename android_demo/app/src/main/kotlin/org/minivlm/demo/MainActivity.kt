package org.minivlm.demo

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.net.Uri
import android.os.Bundle
import android.provider.MediaStore
import android.view.View
import android.view.inputmethod.EditorInfo
import android.widget.Button
import android.widget.EditText
import android.widget.TextView
import org.minivlm.core.Assistant
import org.minivlm.core.Look
import org.minivlm.core.UserError
import org.minivlm.core.explain
import java.io.File
import java.io.IOException
import java.util.concurrent.Executors

private const val PICK = 1
private const val TAKE = 2

/** The screen: pick or take a photo, see boxes and a caption, ask about it. */
class MainActivity : Activity() {
    /** The model is used in this thread only. */
    private val worker = Executors.newSingleThreadExecutor()
    private var assistant: Assistant? = null
    private var look: Look? = null

    private val photoView by lazy { findViewById(R.id.photo) as PhotoView }
    private val caption by lazy { findViewById(R.id.caption) as TextView }
    private val answers by lazy { findViewById(R.id.answers) as TextView }
    private val latencies by lazy { findViewById(R.id.latencies) as TextView }
    private val question by lazy { findViewById(R.id.question) as EditText }
    private val questionRow by lazy { findViewById(R.id.question_row) as View }
    private val buttons by lazy { listOf(R.id.pick, R.id.take, R.id.ask).map { findViewById(it) as Button } }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.main)
        val (pick, take, ask) = buttons
        pick.setOnClickListener { pickPhoto() }
        take.setOnClickListener { takePhoto() }
        ask.setOnClickListener { ask() }
        question.setOnEditorActionListener { _, action, _ -> askOnSend(action) }
        caption.setText(R.string.welcome)
    }

    override fun onDestroy() {
        worker.execute { assistant?.close() }
        worker.shutdown()
        super.onDestroy()
    }

    private fun pickPhoto() {
        val intent = Intent(Intent.ACTION_GET_CONTENT).setType("image/*").addCategory(Intent.CATEGORY_OPENABLE)
        startOrSay(intent, PICK, R.string.no_picker)
    }

    private fun takePhoto() {
        val intent =
            Intent(MediaStore.ACTION_IMAGE_CAPTURE)
                .putExtra(MediaStore.EXTRA_OUTPUT, CapturedPhotoProvider.URI)
                .addFlags(Intent.FLAG_GRANT_WRITE_URI_PERMISSION)
        startOrSay(intent, TAKE, R.string.no_camera)
    }

    private fun startOrSay(
        intent: Intent,
        request: Int,
        message: Int,
    ) = try {
        startActivityForResult(intent, request)
    } catch (missing: ActivityNotFoundException) {
        caption.setText(message)
    }

    override fun onActivityResult(
        requestCode: Int,
        resultCode: Int,
        data: Intent?,
    ) {
        super.onActivityResult(requestCode, resultCode, data)
        if (resultCode != RESULT_OK) return
        if (requestCode == TAKE) describe { CapturedPhotoProvider.file(this) }
        data?.data?.let { if (requestCode == PICK) describe { copyOf(it) } }
    }

    /** Copies a picked photo, which may come from the network, to a file that can be read twice. */
    private fun copyOf(photo: Uri): File {
        val file = File(cacheDir, "picked")
        try {
            val stream = contentResolver.openInputStream(photo) ?: throw IOException("it is gone")
            stream.use { from -> file.outputStream().use { from.copyTo(it) } }
        } catch (error: IOException) {
            throw UserError("the photo cannot be read (${error.message}): pick another one", error)
        }
        return file
    }

    private fun describe(find: () -> File) =
        work {
            val file = find()
            val photo = readPhoto(file)
            val preview = readPreview(file)
            runOnUiThread { photoView.showPhoto(preview) }
            val opened =
                assistant ?: Assistant.open(File(filesDir, "models"), ExecuTorchRuntime()).also { assistant = it }
            val found = opened.look(photo)
            return@work { show(opened, found, photo.width) }
        }

    private fun show(
        opened: Assistant,
        found: Look,
        photoWidth: Int,
    ) {
        look = found
        photoView.showBoxes(found.boxes, photoWidth)
        val random = getString(R.string.random_weights).takeIf { opened.artifact.randomWeights }
        caption.text = (listOf(found.caption) + listOfNotNull(random) + opened.passedOver).joinToString("\n")
        answers.text = ""
        latencies.text = found.milliseconds.entries.joinToString { (stage, time) -> "%s %.0f ms".format(stage, time) }
        questionRow.visibility = if (opened.artifact.answers) View.VISIBLE else View.GONE
    }

    /** Whether the keyboard's action was the one to ask. */
    private fun askOnSend(action: Int): Boolean {
        val sent = action == EditorInfo.IME_ACTION_SEND
        if (sent) ask()
        return sent
    }

    private fun ask() {
        val asked = question.text.toString()
        val about = look ?: return
        work {
            val (found, time) = checkNotNull(assistant).answer(about, asked)
            val lines = found.map { "%s (%.0f %%)".format(it.text, 100 * it.probability) }
            return@work {
                answers.text = lines.joinToString("\n")
                latencies.text = "answer %.0f ms".format(time)
            }
        }
    }

    /** Runs [task] beside the screen, then what it returns on the screen; mistakes are shown. */
    private fun work(task: () -> () -> Unit) {
        buttons.forEach { it.isEnabled = false }
        answers.setText(R.string.working)
        worker.execute {
            val shown: () -> Unit =
                try {
                    task()
                } catch (error: Throwable) {
                    // running out of memory and libraries that do not load included
                    { answers.text = explain(error) }
                }
            runOnUiThread {
                answers.text = ""
                shown()
                buttons.forEach { it.isEnabled = true }
            }
        }
    }
}

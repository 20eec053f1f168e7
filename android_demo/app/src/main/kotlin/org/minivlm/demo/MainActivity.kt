package org.minivlm.demo

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Context
import android.content.Intent
import android.net.Uri
import android.os.Bundle
import android.provider.MediaStore
import android.view.View
import android.view.inputmethod.EditorInfo
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.EditText
import android.widget.Spinner
import android.widget.TextView
import org.minivlm.core.Screen
import org.minivlm.core.UserError
import java.io.File
import java.io.IOException

private const val PICK = 1
private const val TAKE = 2

/** Pick or take a photo, see regions and a caption, ask about it: the views of [org.minivlm.core.Demo]. */
class MainActivity : Activity() {
    private lateinit var kept: KeptDemo
    private val photoView by lazy { findViewById(R.id.photo) as PhotoView }
    private val question by lazy { findViewById(R.id.question) as EditText }
    private val models by lazy { findViewById(R.id.model) as Spinner }
    private val accelerators by lazy { findViewById(R.id.accelerator) as Spinner }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.main)
        val before = lastNonConfigurationInstance as? KeptDemo
        kept = before ?: KeptDemo(filesDir)
        val demo = kept.demo
        onClick(R.id.pick) { pickPhoto() }
        onClick(R.id.take) { takePhoto() }
        onClick(R.id.ask) { demo.ask(question.text.toString()) }
        onClick(R.id.next) { demo.selectNext() }
        onClick(R.id.open_results) { startActivity(Intent(this, ResultsActivity::class.java)) }
        photoView.onTap = demo::tap
        photoView.onNext = demo::selectNext
        models.onItemSelectedListener = Chosen(demo::chooseModel)
        accelerators.onItemSelectedListener = Chosen(demo::chooseAccelerator)
        question.setOnEditorActionListener { _, action, _ -> askOnSend(action) }
        demo.watcher = ::render
        if (before == null) demo.start()
    }

    // API 23 calls it deprecated for the platform's fragments, which are the deprecated ones today.
    @Suppress("OVERRIDE_DEPRECATION")
    override fun onRetainNonConfigurationInstance(): Any = kept

    override fun onDestroy() {
        kept.demo.watcher = {}
        if (!isChangingConfigurations) kept.close()
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
        kept.demo.say(getString(message))
    }

    override fun onActivityResult(
        requestCode: Int,
        resultCode: Int,
        data: Intent?,
    ) {
        super.onActivityResult(requestCode, resultCode, data)
        if (resultCode != RESULT_OK) return
        val lasting = applicationContext // what describes a photo may outlive this activity
        if (requestCode == TAKE) kept.describe { CapturedPhotoProvider.file(lasting) }
        data?.data?.let { if (requestCode == PICK) kept.describe { copyOf(lasting, it) } }
    }

    private fun render(screen: Screen) {
        photoView.show(kept.preview, screen)
        show(R.id.region, screen.region)
        show(R.id.caption, screen.caption)
        show(R.id.notes, screen.notes.joinToString("\n"))
        show(R.id.message, screen.message)
        show(R.id.answers, screen.answers.joinToString("\n"))
        show(R.id.latencies, screen.times)
        for (id in listOf(R.id.pick, R.id.take)) (findViewById(id) as View).isEnabled = !screen.busy
        (findViewById(R.id.ask) as View).isEnabled = screen.canAsk
        showIf(R.id.question_row, screen.answering)
        showIf(R.id.next, screen.boxes.isNotEmpty())
        showIf(R.id.choice_row, screen.models.isNotEmpty())
        fill(models, screen.models, screen.model, screen.canChoose)
        fill(accelerators, screen.accelerators, screen.accelerator, screen.canChoose)
        speak(screen)
    }

    /** Says a caption once, when it is whole: not word by word, nor again after the phone was turned. */
    private fun speak(screen: Screen) {
        if (screen.busy || screen.caption.isEmpty() || screen.caption == kept.spoken) return
        kept.spoken = screen.caption
        photoView.announceForAccessibility(screen.caption)
    }

    /** Text that is the same must not be set again: a screen reader would say it again. */
    private fun show(
        id: Int,
        text: String,
    ) {
        val view = findViewById(id) as TextView
        if (view.text.toString() != text) view.text = text
        showIf(id, text.isNotEmpty())
    }

    private fun showIf(
        id: Int,
        wanted: Boolean,
    ) {
        (findViewById(id) as View).visibility = if (wanted) View.VISIBLE else View.GONE
    }

    private fun fill(
        spinner: Spinner,
        names: List<String>,
        place: Int,
        usable: Boolean,
    ) {
        val there = List(spinner.adapter?.count ?: 0) { spinner.adapter.getItem(it) }
        if (there != names) {
            val adapter = ArrayAdapter(this, android.R.layout.simple_spinner_item, names)
            adapter.setDropDownViewResource(android.R.layout.simple_spinner_dropdown_item)
            spinner.adapter = adapter
        }
        if (names.isNotEmpty() && spinner.selectedItemPosition != place) spinner.setSelection(place)
        spinner.isEnabled = usable && names.size > 1
    }

    /** Whether the keyboard's action was the one to ask. */
    private fun askOnSend(action: Int): Boolean {
        val sent = action == EditorInfo.IME_ACTION_SEND
        if (sent) kept.demo.ask(question.text.toString())
        return sent
    }

    private fun onClick(
        id: Int,
        act: () -> Unit,
    ) = (findViewById(id) as View).setOnClickListener { act() }
}

/** Copies a picked photo, which may come from the network, to a file that can be read twice. */
private fun copyOf(
    context: Context,
    photo: Uri,
): File {
    val file = File(context.cacheDir, "picked")
    try {
        val stream = context.contentResolver.openInputStream(photo) ?: throw IOException("it is gone")
        stream.use { from -> file.outputStream().use { from.copyTo(it) } }
    } catch (error: IOException) {
        throw UserError("the photo cannot be read (${error.message}): pick another one", error)
    }
    return file
}

private class Chosen(
    private val choose: (Int) -> Unit,
) : AdapterView.OnItemSelectedListener {
    override fun onItemSelected(
        parent: AdapterView<*>?,
        view: View?,
        position: Int,
        id: Long,
    ) = choose(position)

    override fun onNothingSelected(parent: AdapterView<*>?) = Unit
}

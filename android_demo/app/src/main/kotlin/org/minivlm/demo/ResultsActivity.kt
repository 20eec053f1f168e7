package org.minivlm.demo

import android.app.Activity
import android.content.ClipData
import android.content.Intent
import android.os.Bundle
import android.view.View
import android.view.ViewGroup
import android.widget.LinearLayout
import android.widget.TextView
import org.minivlm.core.RECORDS
import org.minivlm.core.ResultView
import org.minivlm.core.Results
import java.io.File

/** The records of this phone, the newest first, to look at and to share. */
class ResultsActivity : Activity() {
    private val list by lazy { findViewById(R.id.results) as LinearLayout }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.results)
        (findViewById(R.id.share) as View).setOnClickListener { share() }
    }

    /** Reads anew whenever the screen comes back: a measurement may have ended meanwhile. */
    override fun onStart() {
        super.onStart()
        val results = Results.read(File(filesDir, RECORDS))
        (findViewById(R.id.results_message) as TextView).text = results.message
        (findViewById(R.id.share) as View).isEnabled = results.canShare
        list.removeAllViews()
        results.views.take(SHOWN_RESULTS).forEach(::add)
    }

    private fun add(result: ResultView) {
        val item = layoutInflater.inflate(R.layout.result, list, false) as ViewGroup
        (item.findViewById(R.id.result_title) as TextView).text = result.title
        (item.findViewById(R.id.result_lines) as TextView).text = result.lines.joinToString("\n")
        result.chart?.let { item.addView(ChartView(this, it)) }
        list.addView(item)
    }

    /** Lends the records to the app that the user picks, for reading and for this once. */
    private fun share() {
        val send =
            Intent(Intent.ACTION_SEND)
                .setType(SharedRecordsProvider.TYPE)
                .putExtra(Intent.EXTRA_STREAM, SharedRecordsProvider.URI)
                .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
        send.clipData = ClipData.newRawUri(getString(R.string.results), SharedRecordsProvider.URI)
        startActivity(Intent.createChooser(send, getString(R.string.share)))
    }

    private companion object {
        /** More would take long to lay out; all are shared. */
        const val SHOWN_RESULTS = 50
    }
}

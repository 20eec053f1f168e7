package org.minivlm.demo

import android.app.Activity
import android.os.Bundle
import android.util.Log
import android.view.WindowManager
import android.widget.TextView
import org.minivlm.core.Benchmark
import kotlin.concurrent.thread

private const val STATUS_TAG = "MINIVLM"
private const val SUMMARY_TAG = "MINIVLM_SUMMARY"

/** One measurement for a host, which says with extras what to measure; docs/phones-android.md has the contract. */
class BenchmarkActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        setContentView(TextView(this).apply { setText(R.string.benchmark_running) })
        val extras = intent.extras
        val given = extras?.keySet().orEmpty().associateWith { extras?.get(it) }
        val benchmark =
            Benchmark(filesDir, AndroidPhone(this), ExecuTorchRuntime(), ::readPhoto) { Log.i(STATUS_TAG, it) }
        thread(name = "benchmark") {
            benchmark.run(given).lines().forEach { Log.i(SUMMARY_TAG, it) }
            runOnUiThread(::finish)
        }
    }
}

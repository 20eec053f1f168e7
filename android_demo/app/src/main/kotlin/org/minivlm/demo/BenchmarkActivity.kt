package org.minivlm.demo

import android.app.Activity
import android.os.Bundle
import android.util.Log
import android.view.WindowManager
import android.widget.TextView
import org.minivlm.core.Benchmark
import org.minivlm.core.CPU
import org.minivlm.core.UnitRuntime
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.concurrent.thread

private const val STATUS_TAG = "MINIVLM"
private const val SUMMARY_TAG = "MINIVLM_SUMMARY"

/** One measurement for a host, which says with extras what to measure; docs/phones-android.md has the contract. */
class BenchmarkActivity : Activity() {
    /** Whether the screen is hidden now, and whether it was since the thread that measures last asked. */
    @Volatile
    private var hidden = true
    private val wasHidden = AtomicBoolean(false)
    private var asked = false

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        setContentView(TextView(this).apply { setText(R.string.benchmark_running) })
        asked = savedInstanceState == null // otherwise the system made the screen anew, and nobody asked again
    }

    override fun onStart() {
        super.onStart()
        hidden = false
        if (asked) measure()
        asked = false
    }

    override fun onStop() {
        hidden = true
        wasHidden.set(true)
        super.onStop()
    }

    private fun measure() {
        val extras = intent.extras
        val given = extras?.keySet().orEmpty().associateWith { extras?.get(it) }
        val phone = AndroidPhone(this) { wasHidden.getAndSet(hidden) }
        val runtime = UnitRuntime(accelerators(), given["accelerator"] as? String ?: CPU)
        val benchmark = Benchmark(filesDir, phone, runtime, ::readPhoto) { Log.i(STATUS_TAG, it) }
        thread(name = "benchmark") {
            benchmark.run(given).lines().forEach { Log.i(SUMMARY_TAG, it) }
            runOnUiThread(::finish)
        }
    }
}

package org.minivlm.demo

import android.app.ActivityManager
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.content.pm.PackageManager
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager
import org.minivlm.core.JsonObject
import org.minivlm.core.Phone
import org.pytorch.executorch.ExecuTorchRuntime
import java.io.File
import java.time.Instant
import java.time.temporal.ChronoUnit

private const val GIB = 1024.0 * 1024.0 * 1024.0
private const val API_29 = 29
private const val API_31 = 31

/**
 * This phone, as the system describes it.
 *
 * @param hidden whether the app's screen was out of sight since this was last asked.
 */
class AndroidPhone(
    private val context: Context,
    private val hidden: () -> Boolean,
) : Phone {
    private val power = context.getSystemService(Context.POWER_SERVICE) as PowerManager

    override fun thermalStatus(): String {
        if (Build.VERSION.SDK_INT < API_29) return "unknown"
        val status = power.currentThermalStatus // since API 29
        return THERMAL_NAMES.getOrElse(status) { "unknown" }
    }

    override fun savesPower(): Boolean = power.isPowerSaveMode

    override fun lostForeground(): Boolean = hidden()

    override fun residentBytes(): Long = processStatus("VmRSS")

    override fun peakResidentBytes(): Long = processStatus("VmHWM")

    override fun now(): String = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString()

    override fun sleep(milliseconds: Long) = Thread.sleep(milliseconds)

    override fun describe(): JsonObject =
        mapOf(
            "cpu" to systemOnChip(),
            "cores" to
                java.lang.Runtime
                    .getRuntime()
                    .availableProcessors(),
            "memory_gib" to memoryGib(),
            "system" to "Android ${Build.VERSION.RELEASE} (API ${Build.VERSION.SDK_INT})",
            "phone" to "${Build.MANUFACTURER} ${Build.MODEL}",
            "abi" to Build.SUPPORTED_ABIS.first(),
            "backends" to backends(),
            "versions" to versions(),
        ) + battery()

    /** Null where the runtime's library does not load: the record of that failure is written all the same. */
    private fun backends(): List<String>? =
        try {
            ExecuTorchRuntime.getRegisteredBackends().toList()
        } catch (error: LinkageError) {
            null
        }

    private fun systemOnChip(): String {
        if (Build.VERSION.SDK_INT < API_31) return Build.HARDWARE
        return "${Build.SOC_MANUFACTURER} ${Build.SOC_MODEL}" // since API 31
    }

    private fun memoryGib(): Double {
        val manager = context.getSystemService(Context.ACTIVITY_SERVICE) as ActivityManager
        val info = ActivityManager.MemoryInfo()
        manager.getMemoryInfo(info)
        return Math.round(info.totalMem / GIB * 10) / 10.0
    }

    private fun versions(): JsonObject {
        val packages = context.packageManager
        val application = packages.getApplicationInfo(context.packageName, PackageManager.GET_META_DATA)
        return mapOf(
            "app" to packages.getPackageInfo(context.packageName, 0).versionName,
            "executorch" to application.metaData.getString("org.minivlm.executorch")?.substringAfter(' '),
            "litert" to application.metaData.getString("org.minivlm.litert")?.substringAfter(' '),
        )
    }

    private fun battery(): JsonObject {
        val state = context.registerReceiver(null, IntentFilter(Intent.ACTION_BATTERY_CHANGED))
        val level = state?.getIntExtra(BatteryManager.EXTRA_LEVEL, -1) ?: -1
        val scale = state?.getIntExtra(BatteryManager.EXTRA_SCALE, -1) ?: -1
        return mapOf(
            "battery" to if (level < 0 || scale <= 0) null else level / scale.toDouble(),
            "battery_celsius" to state?.getIntExtra(BatteryManager.EXTRA_TEMPERATURE, 0)?.div(10.0),
            "charging" to ((state?.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0) ?: 0) != 0),
        )
    }

    /** Bytes of a line such as "VmHWM:   123456 kB". */
    private fun processStatus(name: String): Long {
        val line = File("/proc/self/status").readLines().first { it.startsWith("$name:") }
        return line.filter { it.isDigit() }.toLong() * 1024
    }

    private companion object {
        /** By PowerManager.THERMAL_STATUS_NONE and its successors, 0 to 6. */
        val THERMAL_NAMES = listOf("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
    }
}

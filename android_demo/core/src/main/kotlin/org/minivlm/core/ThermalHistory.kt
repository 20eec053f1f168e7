package org.minivlm.core

private const val SECONDS_BETWEEN = 1.0

/** How a phone's thermal status changes while it is measured on. */
internal class ThermalHistory(
    private val phone: Phone,
) {
    private var asked = Double.NEGATIVE_INFINITY
    private val found = ArrayList<Pair<Double, String>>()

    /** Seconds since the start and the status from then on: the first that was seen, and every change. */
    val changes: List<Pair<Double, String>> get() = found

    /** Looks, unless it did so within this second: asking the system takes time of its own. */
    fun look(seconds: Double) {
        if (seconds - asked < SECONDS_BETWEEN) return
        asked = seconds
        val status = phone.thermalStatus()
        if (status != found.lastOrNull()?.second) found += seconds to status
    }
}

package org.minivlm.core

import java.io.File

/** The phone that is measured on. */
interface Phone {
    /** Thermal status, "none" when it is cool, "unknown" where the system does not tell. */
    fun thermalStatus(): String

    /** Whether the system saves power by slowing down. */
    fun savesPower(): Boolean

    /** Whether the app was out of sight since this was last asked: then the system may have slowed it down. */
    fun lostForeground(): Boolean

    /** Bytes of this process that are resident. */
    fun residentBytes(): Long

    /** Bytes of this process that were resident at most. */
    fun peakResidentBytes(): Long

    /** What else must be known to compare two measurements. */
    fun describe(): JsonObject

    /** Time of the day, ISO 8601 in UTC. */
    fun now(): String

    /** Waits. */
    fun sleep(milliseconds: Long)
}

/** What runs artifacts. */
interface Runtime {
    /** What has the convolutions and matrix products: [CPU] or [GPU]. */
    val unit: String get() = CPU

    /**
     * Loads an artifact, without its methods.
     *
     * @throws UserError if the file is none that the runtime can load, or the runtime is not made for this phone.
     */
    fun open(
        artifact: File,
        threads: Int,
    ): Networks

    /** Returns the last lines that the runtime logged. */
    fun log(): List<String>
}

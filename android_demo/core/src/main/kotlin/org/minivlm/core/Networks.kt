package org.minivlm.core

import java.io.Closeable

/** A tensor that a runtime holds; it stays valid until its [Networks] are closed, whatever runs in between. */
interface Value {
    /** Length of each axis. */
    val shape: IntArray

    /** Whether the elements are int64; otherwise they are float32. */
    val isLong: Boolean

    /** Returns the float32 elements, row by row. */
    fun floats(): FloatArray

    /** Returns the int64 elements, row by row. */
    fun longs(): LongArray
}

/** An artifact that a runtime has loaded: named methods from tensors to tensors. Not safe for two threads at once. */
interface Networks : Closeable {
    /** Makes a float32 tensor. */
    fun value(
        elements: FloatArray,
        vararg shape: Int,
    ): Value

    /** Makes an int64 tensor. */
    fun value(
        elements: LongArray,
        vararg shape: Int,
    ): Value

    /** Loads a method now, rather than at its first call. */
    fun load(method: String)

    /** Returns the units that run a method, [GPU] and [CPU], the one with most of the work first; empty if not known. */
    fun units(method: String): List<String> = emptyList()

    /**
     * Runs a method.
     *
     * @throws UserError if the artifact has no such method or the runtime fails.
     */
    fun run(
        method: String,
        vararg inputs: Value,
    ): List<Value>
}

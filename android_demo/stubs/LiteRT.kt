@file:Suppress("UNUSED_PARAMETER", "unused")

/*
 * What the app calls of LiteRT's Kotlin library, in outline: declarations without bodies. check.sh compiles the app against
 * them, as no package of the library can be had without Google's Maven repository. They were written by hand after the
 * library's public sources of 2.3, and verify nothing about it. Gradle never sees them.
 */

package com.google.ai.edge.litert

enum class Accelerator { NONE, CPU, GPU, NPU }

class LiteRtException : Exception()

class Environment : AutoCloseable {
    override fun close(): Unit = TODO()

    enum class Option { CompilerPluginLibraryDir, DispatchLibraryDir }

    companion object {
        @JvmStatic
        fun create(options: Map<Option, String> = mapOf()): Environment = TODO()
    }
}

class TensorBuffer : AutoCloseable {
    fun writeInt(data: IntArray): Unit = TODO()

    fun writeFloat(data: FloatArray): Unit = TODO()

    fun writeBoolean(data: BooleanArray): Unit = TODO()

    fun writeLong(data: LongArray): Unit = TODO()

    fun readInt(): IntArray = TODO()

    fun readFloat(): FloatArray = TODO()

    fun readBoolean(): BooleanArray = TODO()

    fun readLong(): LongArray = TODO()

    override fun close(): Unit = TODO()
}

class CompiledModel : AutoCloseable {
    data class CpuOptions(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null,
    )

    data class GpuOptions(
        val constantTensorSharing: Boolean? = null,
        val infiniteFloatCapping: Boolean? = null,
        val benchmarkMode: Boolean? = null,
        val allowSrcQuantizedFcConvOps: Boolean? = null,
        val precision: Precision? = null,
    ) {
        enum class Precision { DEFAULT, FP16, FP32 }
    }

    class Options(
        vararg accelerators: Accelerator,
    ) {
        var cpuOptions: CpuOptions? = null
        var gpuOptions: GpuOptions? = null
    }

    fun createInputBuffer(
        inputName: String,
        signature: String? = null,
    ): TensorBuffer = TODO()

    fun createOutputBuffer(
        outputName: String,
        signature: String? = null,
    ): TensorBuffer = TODO()

    fun run(
        inputs: Map<String, TensorBuffer>,
        outputs: Map<String, TensorBuffer>,
        signature: String? = null,
    ): Unit = TODO()

    override fun close(): Unit = TODO()

    companion object {
        @JvmStatic
        fun create(
            filePath: String,
            options: Options = TODO(),
            optionalEnv: Environment? = null,
        ): CompiledModel = TODO()
    }
}

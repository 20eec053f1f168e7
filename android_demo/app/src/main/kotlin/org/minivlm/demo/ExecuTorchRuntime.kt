package org.minivlm.demo

import android.os.Build
import org.minivlm.core.Artifact
import org.minivlm.core.CPU
import org.minivlm.core.GPU
import org.minivlm.core.Networks
import org.minivlm.core.Runtime
import org.minivlm.core.UserError
import org.minivlm.core.Value
import org.pytorch.executorch.DType
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor
import java.io.File
import org.pytorch.executorch.ExecuTorchRuntime as Library

private const val VULKAN = "VulkanBackend"

/**
 * Runs `.pte` files with the backends that they were exported for: XNNPACK on the CPU, Vulkan on the GPU.
 *
 * @param unit that these files were exported for.
 */
class ExecuTorchRuntime(
    override val unit: String,
) : Runtime {
    private var lastWords: List<String> = emptyList()

    override fun open(
        artifact: File,
        threads: Int,
    ): Networks {
        val module =
            try {
                requireBackends(Artifact.read(artifact))
                Module.load(artifact.path, Module.LOAD_MODE_MMAP, threads)
            } catch (error: RuntimeException) {
                throw UserError(
                    "${artifact.name} cannot be loaded (${error.message}): export it with this app's ExecuTorch version",
                    error,
                )
            } catch (error: LinkageError) {
                val abi = Build.SUPPORTED_ABIS.firstOrNull()
                throw UserError("ExecuTorch's library does not load on this phone ($abi, ${error.message})", error)
            }
        return ExecuTorchNetworks(artifact.name, module) { lastWords = module.readLogBuffer()?.toList().orEmpty() }
    }

    override fun log(): List<String> = lastWords

    /** ExecuTorch itself would say no more than a number. */
    private fun requireBackends(artifact: Artifact) {
        if (unit == GPU && VULKAN !in Library.getRegisteredBackends()) {
            throw UserError(
                "${artifact.file.name} needs Vulkan, which this app was built without: build it with -Pexecutorch=vulkan",
            )
        }
    }
}

/**
 * One loaded program.
 *
 * @param failed called after a failure, while the program still has its log.
 */
private class ExecuTorchNetworks(
    private val name: String,
    private val module: Module,
    private val failed: () -> Unit,
) : Networks {
    override fun value(
        elements: FloatArray,
        vararg shape: Int,
    ): Value = TensorValue(Tensor.fromBlob(elements, longs(shape)))

    override fun value(
        elements: LongArray,
        vararg shape: Int,
    ): Value = TensorValue(Tensor.fromBlob(elements, longs(shape)))

    override fun units(method: String): List<String> =
        orFail(method) { if (VULKAN in module.getMethodMetadata(method).backends) listOf(GPU, CPU) else listOf(CPU) }

    override fun load(method: String) = orFail(method) { module.loadMethod(method) }

    override fun run(
        method: String,
        vararg inputs: Value,
    ): List<Value> =
        orFail(method) {
            val values = inputs.map { EValue.from((it as TensorValue).tensor) }.toTypedArray()
            module.execute(method, *values).map { TensorValue(copy(it.toTensor())) }
        }

    override fun close() = module.destroy()

    /** What a method returns lies in memory that its next call writes over. */
    private fun copy(tensor: Tensor): Tensor =
        when (val dtype = tensor.dtype()) {
            DType.FLOAT -> Tensor.fromBlob(tensor.dataAsFloatArray, tensor.shape())
            DType.INT64 -> Tensor.fromBlob(tensor.dataAsLongArray, tensor.shape())
            else -> throw UserError("$name returns values of type $dtype, and this app reads FLOAT and INT64")
        }

    private fun <T> orFail(
        method: String,
        work: () -> T,
    ): T =
        try {
            work()
        } catch (error: RuntimeException) {
            failed()
            throw UserError("'$method' of $name failed: ${error.message}", error)
        }

    private fun longs(shape: IntArray) = LongArray(shape.size) { shape[it].toLong() }
}

private class TensorValue(
    val tensor: Tensor,
) : Value {
    override val shape: IntArray = tensor.shape().map { it.toInt() }.toIntArray()

    override val isLong: Boolean get() = tensor.dtype() == DType.INT64

    override fun floats(): FloatArray = tensor.dataAsFloatArray

    override fun longs(): LongArray = tensor.dataAsLongArray
}

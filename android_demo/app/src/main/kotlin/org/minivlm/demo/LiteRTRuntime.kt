package org.minivlm.demo

import android.os.Build
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import com.google.ai.edge.litert.TensorBuffer
import org.minivlm.core.Artifact
import org.minivlm.core.BOOL
import org.minivlm.core.FLOAT32
import org.minivlm.core.GPU
import org.minivlm.core.HostValue
import org.minivlm.core.INT32
import org.minivlm.core.INT64
import org.minivlm.core.LoadedPart
import org.minivlm.core.Networks
import org.minivlm.core.Part
import org.minivlm.core.PartLoader
import org.minivlm.core.PartedMethod
import org.minivlm.core.PartedNetworks
import org.minivlm.core.PieceFiles
import org.minivlm.core.Runtime
import org.minivlm.core.TensorSpec
import org.minivlm.core.UserError
import java.io.File
import com.google.ai.edge.litert.Accelerator as Processor

/**
 * Runs `.tflite` files with LiteRT.
 *
 * On the CPU a method runs as it is. LiteRT's GPU accelerator takes one part of a graph and computes indices in float, so
 * there each method runs in the pieces that lie beside the artifact: docs/accelerators.md.
 *
 * @param unit that the convolutions and matrix products run on.
 */
class LiteRTRuntime(
    override val unit: String,
) : Runtime {
    override fun open(
        artifact: File,
        threads: Int,
    ): Networks {
        val described = Artifact.read(artifact)
        val methods = if (unit == GPU) PieceFiles.read(described).methods else PartedMethod.whole(described)
        return PartedNetworks(artifact.name, methods, LiteRTLoader(threads, exact = described.precision == "fp32"))
    }

    override fun log(): List<String> = emptyList() // it logs to the system only
}

/**
 * Loads files, each once.
 *
 * @param threads on the CPU; 0 leaves them to LiteRT.
 * @param exact whether the GPU computes in fp32; otherwise in fp16.
 */
private class LiteRTLoader(
    private val threads: Int,
    private val exact: Boolean,
) : PartLoader {
    private val environment = lazy { Environment.create() }
    private val models = HashMap<File, CompiledModel>()
    private val buffers = ArrayList<TensorBuffer>()

    override fun load(part: Part): LoadedPart =
        explained(part, "is not taken") {
            val model = models.getOrPut(part.file) { compiled(part) }
            val inputs = part.inputs.map { kept(model.createInputBuffer(it.name, part.signature)) }
            val outputs = part.outputs.map { kept(model.createOutputBuffer(it.name, part.signature)) }
            val given =
                part.inputs
                    .map { it.name }
                    .zip(inputs)
                    .toMap()
            val found =
                part.outputs
                    .map { it.name }
                    .zip(outputs)
                    .toMap()
            LoadedPart { values ->
                explained(part, "failed") {
                    part.inputs.zip(values).zip(inputs) { (spec, value), buffer -> write(value, spec, buffer) }
                    model.run(given, found, part.signature)
                    part.outputs.zip(outputs, ::read)
                }
            }
        }

    /** Nothing runs elsewhere than where it belongs: with the CPU beside it, LiteRT would take that without a word. */
    private fun compiled(part: Part): CompiledModel {
        val options = CompiledModel.Options(if (part.accelerated) Processor.GPU else Processor.CPU)
        if (part.accelerated) {
            val precision =
                if (exact) CompiledModel.GpuOptions.Precision.FP32 else CompiledModel.GpuOptions.Precision.FP16
            options.gpuOptions = CompiledModel.GpuOptions(precision = precision)
        } else if (threads > 0) {
            options.cpuOptions = CompiledModel.CpuOptions(numThreads = threads)
        }
        return CompiledModel.create(part.file.path, options, environment.value)
    }

    override fun close() {
        buffers.forEach { it.close() }
        models.values.forEach { it.close() }
        if (environment.isInitialized()) environment.value.close()
    }

    private fun kept(buffer: TensorBuffer): TensorBuffer = buffer.also(buffers::add)

    private fun write(
        value: HostValue,
        spec: TensorSpec,
        buffer: TensorBuffer,
    ) = when (val elements = value.of(spec.dtype)) {
        is FloatArray -> buffer.writeFloat(elements)
        is LongArray -> buffer.writeLong(elements)
        is IntArray -> buffer.writeInt(elements)
        else -> buffer.writeBoolean(elements as BooleanArray)
    }

    private fun read(
        spec: TensorSpec,
        buffer: TensorBuffer,
    ): HostValue {
        val elements: Any =
            when (spec.dtype) {
                FLOAT32 -> buffer.readFloat()
                INT64 -> buffer.readLong()
                INT32 -> buffer.readInt()
                BOOL -> buffer.readBoolean()
                else -> throw UserError("tensors of type ${spec.dtype} are not known here: update the app")
            }
        return HostValue(elements, spec.shape)
    }

    private fun <T> explained(
        part: Part,
        what: String,
        act: () -> T,
    ): T {
        val unit = if (part.accelerated) "GPU" else "CPU"
        try {
            return act()
        } catch (mistake: UserError) {
            throw mistake
        } catch (error: Exception) {
            throw UserError(
                "${part.file.name}, ${part.signature} $what by LiteRT on the $unit (${error.message})",
                error,
            )
        } catch (error: LinkageError) {
            val abi = Build.SUPPORTED_ABIS.firstOrNull()
            throw UserError("LiteRT's library does not load on this phone ($abi, ${error.message})", error)
        }
    }
}

package org.minivlm.demo

import org.minivlm.core.Accelerator
import org.minivlm.core.Artifact
import org.minivlm.core.GPU

/** As artifacts call what they are lowered to; what it does not take runs on the CPU. */
internal const val VULKAN_TARGET = "executorch-vulkan"

/** What this app can run models on; the app begins with the first that runs the model. */
fun accelerators(): List<Accelerator> =
    listOf(
        Accelerator("CPU (XNNPACK)", ExecuTorchRuntime(), { it.target == "executorch" }),
        Accelerator("GPU (Vulkan)", ExecuTorchRuntime(), { it.target == VULKAN_TARGET }, GPU),
        Accelerator("CPU (LiteRT)", LiteRTRuntime(accelerated = false), { it.runtime == "litert" }),
        Accelerator("GPU (LiteRT)", LiteRTRuntime(accelerated = true), { it.runtime == "litert" && isFloat(it) }, GPU),
    )

/** Whether the GPU computes what is stored: of integers it would make floats. */
private fun isFloat(artifact: Artifact) = artifact.precision in listOf("fp32", "fp16")

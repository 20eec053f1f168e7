package org.minivlm.demo

import org.minivlm.core.Accelerator
import org.minivlm.core.Artifact
import org.minivlm.core.CPU
import org.minivlm.core.GPU

/** As artifacts call what they are lowered to; what it does not take runs on the CPU. */
internal const val VULKAN_TARGET = "executorch-vulkan"

/** What this app can run models on; the app begins with the first that runs the model. */
fun accelerators(): List<Accelerator> =
    listOf(
        Accelerator("CPU (XNNPACK)", ExecuTorchRuntime(CPU)) { it.target == "executorch" },
        Accelerator("GPU (Vulkan)", ExecuTorchRuntime(GPU)) { it.target == VULKAN_TARGET },
        Accelerator("CPU (LiteRT)", LiteRTRuntime(CPU)) { it.runtime == "litert" },
        Accelerator("GPU (LiteRT)", LiteRTRuntime(GPU)) { it.runtime == "litert" && isFloat(it) },
    )

/** Whether the GPU computes what is stored: of integers it would make floats. */
private fun isFloat(artifact: Artifact) = artifact.precision in listOf("fp32", "fp16")

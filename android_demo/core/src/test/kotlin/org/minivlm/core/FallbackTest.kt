package org.minivlm.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.util.concurrent.Executor

/** What runs where, what is said about it, and what happens when an accelerator cannot be set up. */
class FallbackTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val cpu = FakeRuntime(CPU)
    private val vulkan = FakeRuntime(GPU, CPU)
    private val litert = FakeRuntime(CPU)
    private val litertGpu = FakeRuntime(GPU, CPU)
    private val accelerators =
        listOf(
            Accelerator("CPU (XNNPACK)", cpu) { it.target == "executorch" },
            Accelerator("GPU (Vulkan)", vulkan) { it.target == "executorch-vulkan" },
            Accelerator("CPU (LiteRT)", litert) { it.runtime == "litert" },
            Accelerator("GPU (LiteRT)", litertGpu) { it.runtime == "litert" },
        )
    private val model by lazy { FakeModel(folder.root) }
    private val at = Executor { it.run() }

    // The clock moves on by 1 ms whenever it is read.
    private var now = 0L
    private val timer = Timer { now.also { now += 1_000_000 } }

    @Before
    fun putFiles() = model.write()

    @Test
    fun `an artifact is offered on what runs it`() {
        model.alsoFor("executorch-vulkan")
        model.alsoFor("litert")
        val offered =
            find().choices.groupBy({ it.model }, { it.accelerator.label })
        val expected =
            mapOf(
                "minivlm-tiny-executorch-fp32" to listOf("CPU (XNNPACK)"),
                "minivlm-tiny-executorch-vulkan-fp32" to listOf("GPU (Vulkan)"),
                "minivlm-tiny-litert-fp32" to listOf("CPU (LiteRT)", "GPU (LiteRT)"),
            )
        assertEquals(expected, offered)
    }

    @Test
    fun `an artifact for a delegate that is not here is named with it`() {
        model.alsoFor("executorch-coreml")
        val mistake =
            find()
                .mistakes
                .single()
                .message
                .orEmpty()
        assertTrue(mistake, mistake.startsWith("minivlm-tiny-executorch-coreml-fp32.pte is for executorch-coreml, and"))
    }

    @Test
    fun `every stage says what ran it`() {
        model.alsoFor("litert")
        val demo = demo().apply { choose("minivlm-tiny-litert-fp32", "GPU (LiteRT)") }
        val gpu = listOf("regions", "prefill", "steps").map { "$it 1 ms on GPU and CPU" }
        assertEquals((listOf("preprocess 1 ms on CPU") + gpu).joinToString(), demo.shown.times)
        demo.ask("Is there a dog?")
        assertEquals("answer 1 ms on GPU and CPU", demo.shown.times)
        demo.choose("minivlm-tiny-executorch-fp32", "CPU (XNNPACK)")
        val stages = listOf("preprocess", "regions", "prefill", "steps").map { "$it 1 ms on CPU" }
        assertEquals(stages.joinToString(), demo.shown.times)
        assertEquals("", demo.shown.message)
    }

    @Test
    fun `where the GPU cannot be set up the same file runs on the CPU, and the screen says so`() {
        val file = model.alsoFor("litert")
        litertGpu.refused[file.name] = "no OpenCL on this phone"
        val demo = demo().apply { choose("minivlm-tiny-litert-fp32", "GPU (LiteRT)") }
        assertEquals("no OpenCL on this phone. CPU (LiteRT) runs ${file.name} instead", demo.shown.message)
        assertEquals("CPU (LiteRT)", demo.shown.accelerators[demo.shown.accelerator])
        assertTrue(demo.shown.times, "regions 1 ms on CPU" in demo.shown.times)
        assertEquals("when it was chosen, and in the GPU's place", listOf(file.name, file.name), litert.opened)
        assertTrue(demo.shown.caption.isNotEmpty())
    }

    @Test
    fun `the next photo stays on the CPU, and a new wish tries the GPU again`() {
        val file = model.alsoFor("litert")
        litertGpu.refused[file.name] = "no OpenCL on this phone"
        val demo = demo().apply { choose("minivlm-tiny-litert-fp32", "GPU (LiteRT)") }
        val before = litert.opened.size
        demo.describe(::photo)
        assertEquals("", demo.shown.message)
        assertEquals("it is open already", before, litert.opened.size)
        litertGpu.refused.clear()
        demo.choose("minivlm-tiny-litert-fp32", "GPU (LiteRT)")
        assertEquals(listOf(file.name), litertGpu.opened)
        assertTrue(litert.networks.all { it.closed })
    }

    @Test
    fun `what the GPU does not take shows before the first photo, and gives its memory back`() {
        model.alsoFor("litert")
        litertGpu.unloadable += "step"
        val demo = demo().apply { choose("minivlm-tiny-litert-fp32", "GPU (LiteRT)") }
        assertTrue(demo.shown.message, demo.shown.message.startsWith("the GPU does not take 'step'. CPU (LiteRT) runs"))
        assertTrue(litertGpu.networks.single().closed)
        assertFalse(litert.networks.last().closed)
    }

    @Test
    fun `a program for Vulkan falls back to the one for XNNPACK`() {
        val file = model.alsoFor("executorch-vulkan")
        model.alsoFor("litert")
        vulkan.refused[file.name] = "no Vulkan here"
        val demo = demo().apply { choose("minivlm-tiny-executorch-vulkan-fp32", "GPU (Vulkan)") }
        val expected = "no Vulkan here. CPU (XNNPACK) runs minivlm-tiny-executorch-fp32.pte instead"
        assertEquals(expected, demo.shown.message)
        assertEquals("minivlm-tiny-executorch-fp32", demo.shown.models[demo.shown.model])
    }

    @Test
    fun `nothing is taken that would say something else`() {
        val file = model.alsoFor("executorch-vulkan", weights = "trained")
        model.alsoFor("litert", model = "another", weights = "trained")
        vulkan.refused[file.name] = "no Vulkan here"
        val demo = demo().apply { choose("minivlm-tiny-executorch-vulkan-fp32", "GPU (Vulkan)") }
        assertEquals("no Vulkan here", demo.shown.message)
        assertEquals("", demo.shown.caption)
    }

    @Test
    fun `when the CPU does not run it either, the first reason is told`() {
        val file = model.alsoFor("litert")
        litertGpu.refused[file.name] = "no OpenCL on this phone"
        litert.refused[file.name] = "no room"
        cpu.refused[model.artifact.name] = "no room"
        val demo = demo().apply { choose("minivlm-tiny-litert-fp32", "GPU (LiteRT)") }
        assertEquals("no OpenCL on this phone", demo.shown.message)
    }

    private fun find() = Models.find(File(folder.root, "models"), accelerators)

    private fun photo() = Fixtures.photo("preprocess/photo.png")

    private fun demo() =
        Demo(File(folder.root, "models"), accelerators, at, at, timer).apply {
            start()
            describe(::photo)
        }

    private fun Demo.choose(
        model: String,
        accelerator: String,
    ) {
        chooseModel(shown.models.indexOf(model))
        val place = shown.accelerators.indexOf(accelerator)
        if (place >= 0) chooseAccelerator(place) // where the model has only this one, it was tried already
    }
}

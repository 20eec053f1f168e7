package org.minivlm.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

/** What the screen shows, and what it says when a model is missing. */
class AssistantTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val models get() = File(folder.root, "models")
    private val networks = FakeNetworks()
    private var refused: String? = null
    private val runtime =
        object : Runtime {
            override fun open(
                artifact: File,
                threads: Int,
            ): Networks = if (artifact.name == refused) throw UserError("d cannot be loaded") else networks

            override fun log() = emptyList<String>()
        }

    @Test
    fun `a photo gets boxes in its own pixels, a caption and the time of every stage`() {
        FakeModel(folder.root).write()
        val assistant = loaded()
        val look = assistant.look(Fixtures.photo("preprocess/photo.png"))
        assertEquals("rows with score 0 are no regions", listOf("frisbee", "dog"), look.boxes.map { it.tag })
        assertEquals("the dog is like nothing", listOf("red frisbee", "dog"), look.boxes.map { it.phrase })
        // The photo of 64 x 48 is seen at half its size; the box (0, 1, 2, 3) of the fake networks is doubled.
        assertArrayEquals(floatArrayOf(0f, 2f, 4f, 6f), look.boxes[0].box, 1e-5f)
        assertTrue(look.caption.isNotEmpty())
        assertEquals(listOf("preprocess", "regions", "prefill", "steps"), look.milliseconds.keys.toList())
        assertEquals("no", assistant.answer(look, "Is there a dog?").first[0].text)
        assistant.close()
        assertTrue(networks.closed)
    }

    @Test
    fun `without a model it says where one must be`() {
        val message = "no model is in ${models.path} that goes from a photo to a caption"
        assertTrue(message in mistake())
        models.mkdirs()
        assertTrue(message in mistake())
    }

    @Test
    fun `a model without its sidecar or its labels is named`() {
        val model = FakeModel(folder.root).apply { write() }
        val stem = model.artifact.nameWithoutExtension
        File(models, "$stem-words").deleteRecursively()
        assertEquals("$stem-words is not beside the artifact: copy that folder there, too", mistake())
        File(models, "$stem.json").delete()
        assertEquals("$stem.json is not beside $stem.pte: copy it there, too", mistake())
    }

    @Test
    fun `a file that cannot be used hides no other and is named`() {
        FakeModel(folder.root).write()
        File(models, "a.pte").writeText("a program")
        File(models, "b.pte").writeText("a program")
        File(models, "b.json").writeText("[")
        FakeModel(folder.root, "c").apply { write() }
        File(models, "c-executorch-fp32-words").deleteRecursively()
        FakeModel(folder.root, "d").write()
        refused = "d-executorch-fp32.pte"
        val assistant = loaded()
        assertEquals("minivlm-tiny", assistant.artifact.model)
        assertEquals(
            listOf("a.json", "b.json", "c-executorch-fp32-words", "d"),
            (found().mistakes.map(::explain) + assistant.passedOver).map { it.split(" ")[0] },
        )
        for (name in listOf("c", "d", "minivlm-tiny")) FakeModel(folder.root, name).artifact.delete()
        assertTrue("the first mistake", mistake().startsWith("a.json is not beside a.pte"))
    }

    private fun loaded(): Assistant = Assistant.open(found().requireAny())

    private fun found() = Models.find(models, listOf(Accelerator("CPU", runtime) { true }))

    private fun mistake(): String = assertThrows(UserError::class.java) { loaded() }.message.orEmpty()
}

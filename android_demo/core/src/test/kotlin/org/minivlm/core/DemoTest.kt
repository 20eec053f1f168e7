package org.minivlm.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.util.concurrent.Executor

/** What the main screen shows while it is used: every state that docs/phones-android.md lists, with its texts. */
class DemoTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val models get() = File(folder.root, "models")
    private val networks = ArrayList<FakeNetworks>()
    private val opened = ArrayList<String>()
    private val refused = HashSet<String>()
    private val cpu = accelerator("CPU")
    private val waiting = ArrayDeque<Runnable>()
    private val at = Executor { it.run() }
    private val seen = ArrayList<Screen>()

    // The clock moves on by 1 ms whenever it is read.
    private var now = 0L
    private val timer = Timer { now.also { now += 1_000_000 } }

    @Test
    fun `every state has the texts that the documentation lists`() {
        val found = LinkedHashMap<String, Screen>()
        val demo = demo()
        found["started"] = demo.shown
        demo.start()
        found["without a model"] = demo.shown
        FakeModel(folder.root).write()
        demo.start()
        found["with a model"] = demo.shown
        seen.clear()
        demo.describe(::photo)
        found["reading the photo"] = seen.first()
        found["loading the model"] = seen.first { it.message.startsWith("Loading") }
        found["looking for regions"] = seen.first { it.message.startsWith("Looking") }
        found["regions found"] = seen.first { it.boxes.isNotEmpty() }
        found["the caption's second word"] = seen.filter { it.caption.isNotEmpty() && it.busy }[1]
        found["described"] = demo.shown
        demo.selectNext()
        found["a region selected"] = demo.shown
        demo.tap(63f, 47f, 0f)
        found["tapped beside all regions"] = demo.shown
        seen.clear()
        demo.ask("Is there a dog?")
        found["answering"] = seen.last { it.busy }
        found["answered"] = demo.shown
        demo.ask(" ")
        found["asked nothing"] = demo.shown
        demo.describe { throw UserError("picked is no photo: pick a JPEG, PNG or WebP file") }
        found["no photo"] = demo.shown
        assertEquals(
            documented().joinToString("\n"),
            found
                .map { (name, screen) ->
                    row(name, screen)
                }.joinToString("\n"),
        )
    }

    @Test
    fun `the caption grows word by word and is whole at the end`() {
        FakeModel(folder.root).write()
        val demo = demo()
        seen.clear()
        demo.describe(::photo)
        val captions = seen.map { it.caption }.filter { it.isNotEmpty() }.distinct()
        assertEquals("one word more each time, 18 in the end", 18, captions.size)
        for ((before, after) in captions.zipWithNext()) assertTrue(after.startsWith("$before "))
        assertEquals(captions.last(), demo.shown.caption)
    }

    @Test
    fun `regions can be tapped before the caption is written`() {
        FakeModel(folder.root).write()
        val demo = demo()
        demo.watcher = { if (it.boxes.isNotEmpty() && it.selected == null && it.busy) demo.tap(2f, 4f, 0f) }
        demo.describe(::photo)
        assertEquals("red frisbee, 90 % (1 of 2)", demo.shown.region)
    }

    @Test
    fun `another model describes the same photo, and the one before is closed first`() {
        FakeModel(folder.root, "a").write()
        FakeModel(folder.root, "b").write()
        val demo = demo().apply { start() }
        assertEquals(listOf("a-executorch-fp32", "b-executorch-fp32"), demo.shown.models)
        assertEquals("nothing is loaded before there is a photo", emptyList<String>(), opened)
        demo.describe(::photo)
        demo.chooseModel(1)
        assertEquals(listOf("a-executorch-fp32.pte on CPU", "b-executorch-fp32.pte on CPU"), opened)
        assertEquals(listOf(true, false), networks.map { it.closed })
        assertEquals(1, demo.shown.model)
        assertTrue(demo.shown.caption.isNotEmpty())
        demo.chooseModel(1)
        demo.describe(::photo)
        assertEquals("the same model is not loaded again", 2, opened.size)
        demo.close()
        assertTrue(networks.all { it.closed })
    }

    @Test
    fun `what a model can run on is chosen from the list of accelerators`() {
        FakeModel(folder.root, "a").write()
        FakeModel(folder.root, "b").write()
        val gpu = accelerator("GPU") { it.model == "b" }
        val demo = demo(listOf(cpu, gpu)).apply { start() }
        assertEquals(listOf("CPU"), demo.shown.accelerators)
        demo.chooseModel(1)
        assertEquals(listOf("CPU", "GPU"), demo.shown.accelerators)
        demo.chooseAccelerator(1)
        demo.describe(::photo)
        assertEquals(listOf("b-executorch-fp32.pte on GPU"), opened)
        assertEquals(1, demo.shown.accelerator)
    }

    @Test
    fun `a model that nothing here runs is named with what would`() {
        FakeModel(folder.root).write()
        val demo = demo(listOf(accelerator("GPU") { false })).apply { start() }
        val name = "minivlm-tiny-executorch-fp32.pte"
        val expected = "$name is for executorch, and this app runs GPU: export it for one of these"
        assertEquals(expected, demo.shown.message)
        assertFalse(demo.shown.canChoose)
    }

    @Test
    fun `without a wish the first model that loads is taken, and the notes say why others were not`() {
        FakeModel(folder.root, "a").write()
        FakeModel(folder.root, "b").write()
        File(models, "c.pte").writeText("a program")
        refused += "a-executorch-fp32.pte"
        val demo = demo().apply { start() }
        assertEquals("c.json is not beside c.pte: copy it there, too", demo.shown.notes.single())
        demo.describe(::photo)
        assertEquals(1, demo.shown.model)
        assertEquals(listOf("The weights", "c.json", "a-executorch-fp32.pte"), demo.shown.notes.map { start(it) })
        demo.chooseModel(0)
        assertEquals("a wish is not replaced", "a-executorch-fp32.pte cannot be loaded", demo.shown.message)
        assertEquals(0, demo.shown.model)
    }

    @Test
    fun `new views show what the ones before showed, and a task goes on meanwhile`() {
        FakeModel(folder.root).write()
        val demo = Demo(models, listOf(cpu), { waiting += it }, at, timer)
        demo.describe(::photo)
        assertTrue(demo.shown.busy)
        demo.watcher = {} // the views are gone: the phone was turned
        waiting.removeFirst().run()
        demo.watcher = seen::add
        assertEquals(demo.shown, seen.single())
        assertTrue(seen.single().caption.isNotEmpty())
        assertFalse(seen.single().busy)
    }

    @Test
    fun `while a task runs nothing starts another`() {
        FakeModel(folder.root, "a").write()
        FakeModel(folder.root, "b").write()
        val demo = Demo(models, listOf(cpu), { waiting += it }, at, timer)
        demo.start()
        waiting.removeFirst().run()
        demo.describe(::photo)
        demo.chooseModel(1)
        demo.ask("Is there a dog?")
        assertEquals(1, waiting.size)
    }

    @Test
    fun `memory that runs out is told, and the screen can be used again`() {
        FakeModel(folder.root).write()
        val demo = demo()
        demo.describe { throw OutOfMemoryError("no room") }
        assertTrue(demo.shown.message.startsWith("the phone has too little memory"))
        assertFalse(demo.shown.busy)
    }

    private fun start(note: String) = Regex("The weights|\\S+").find(note)!!.value

    private fun photo() = Fixtures.photo("preprocess/photo.png")

    private fun demo(accelerators: List<Accelerator> = listOf(cpu)) =
        Demo(models, accelerators, at, at, timer).apply { watcher = seen::add }

    private fun accelerator(
        label: String,
        runs: (Artifact) -> Boolean = { true },
    ) = Accelerator(label, runtime(label), runs)

    private fun runtime(label: String) =
        object : Runtime {
            override fun open(
                artifact: File,
                threads: Int,
            ): Networks {
                if (artifact.name in refused) throw UserError("${artifact.name} cannot be loaded")
                opened += "${artifact.name} on $label"
                return FakeNetworks().also { networks += it }
            }

            override fun log() = emptyList<String>()
        }

    /** A row of the documentation's table; a caption that is long is shortened there. */
    private fun row(
        name: String,
        screen: Screen,
    ): String {
        val message = screen.message.replace(models.path, "FOLDER")
        val usable = listOf("photo" to !screen.busy, "choice" to screen.canChoose, "question" to screen.canAsk)
        val cells =
            listOf(
                name,
                screen.caption.split(" ").let {
                    if (it.toSet().size == 1 &&
                        it.size > 2
                    ) {
                        "${it[0]} …"
                    } else {
                        screen.caption
                    }
                },
                screen.region,
                message,
                screen.answers.joinToString(", "),
                screen.photoDescription,
                usable.filter { it.second }.joinToString(", ") { it.first },
            )
        return "|" + cells.joinToString("|") { if (it.isEmpty()) " " else " $it " } + "|"
    }

    private fun documented(): List<String> {
        val section = Fixtures.document("phones-android.md").readLines().dropWhile { it != "## What the screen shows" }
        val table = section.dropWhile { !it.startsWith("|") }.takeWhile { it.startsWith("|") }
        return table.drop(2) // names of the columns, and the line below them
    }
}

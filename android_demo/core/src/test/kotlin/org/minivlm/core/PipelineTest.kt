package org.minivlm.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

/** What is handed to each method, and what is made of its results. */
class PipelineTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val networks = FakeNetworks()
    private lateinit var pipeline: Pipeline

    @Before
    fun open() {
        val model = FakeModel(folder.root).apply { write() }
        val artifact = Artifact.read(model.artifact)
        pipeline = Pipeline(artifact, networks, Labels.read(artifact.labelsFolder, artifact.answers))
    }

    @Test
    fun `regions are features and geometry side by side, and rows with score 0 only fill`() {
        val regions = look()
        assertArrayEquals(intArrayOf(1, 3, 32, 32), networks.given.getValue("regions")[0].shape)
        assertArrayEquals(floatArrayOf(24f, 32f), networks.given.getValue("regions")[1].floats(), 0f)
        val second = regions.rows.values.copyOfRange(8, 16)
        assertArrayEquals(floatArrayOf(3f, 4f, 0.6f, 0.7f, 0.8f, 0.9f, 1f, 1.1f), second, 0f)
        assertArrayEquals(booleanArrayOf(true, true, false), regions.rows.valid)
        assertEquals(listOf(2, 0), regions.validTags)
        assertEquals(listOf(2, 0, 1), regions.attributes)
    }

    @Test
    fun `an artifact from before there were attributes says nothing of them`() {
        val model = FakeModel(folder.root, "old", FakeModel.withoutAttributes(FakeModel.WHOLE)).apply { write() }
        val old =
            object : Networks by networks {
                override fun run(
                    method: String,
                    vararg inputs: Value,
                ) = networks.run(method, *inputs).filterIndexed { index, _ -> method != "regions" || index !in 5..6 }
            }
        val regions = Pipeline(Artifact.read(model.artifact), old, pipeline.labels).regions(fitted())
        assertEquals(listOf(2, 0), regions.validTags)
        assertEquals(null, regions.attributes)
    }

    @Test
    fun `a method without an output that is needed is named`() {
        val methods = listOf(FakeModel.WHOLE[0].copy(outputs = listOf("features", "boxes"))) + FakeModel.WHOLE.drop(1)
        val model = FakeModel(folder.root, "odd", methods).apply { write() }
        val odd = Pipeline(Artifact.read(model.artifact), networks, pipeline.labels)
        val message = "odd-executorch-fp32.pte: method 'regions' has no output 'scores': export it again"
        assertEquals(message, assertThrows(UserError::class.java) { odd.regions(fitted()) }.message)
    }

    @Test
    fun `regions are called what Python calls them`() {
        for (case in Fixtures.json("regions/cases.json").children("cases")) {
            fun names(key: String) = case.field<List<*>>(key).map { it as String }
            val labels = Labels(pipeline.labels.tokenizer, names("tag_names"), emptyList(), names("attribute_names"))
            val attributes = case["attributes"]?.let(::flat)?.map { it.toInt() }
            val phrases =
                case.ints("tags").mapIndexed { row, tag ->
                    val attribute = attributes?.let { labels.attribute(it[row]) }
                    TaggedBox(labels.tags[tag], 1f, FloatArray(4), attribute).phrase
                }
            assertEquals(case.field<String>("name"), names("phrases"), phrases)
        }
    }

    @Test
    fun `a caption is written about the tags and regions that were found`() {
        val caption = pipeline.caption(pipeline.session(look()))
        val word = pipeline.labels.tokenizer.decode(listOf(FakeNetworks.WORD))
        assertEquals("18 words between [CLS] and [SEP]", List(18) { word }.joinToString(" "), caption)
        val (tagIds, regions, mask) = networks.given.getValue("prefill")
        val tags = pipeline.labels.tokenizer.encode("frisbee dog") + pipeline.labels.tokenizer.special.sep
        assertEquals(tags, tagIds.longs().take(tags.size).map { it.toInt() })
        assertArrayEquals(intArrayOf(1, 50, 8), regions.shape)
        assertArrayEquals(intArrayOf(1, 1, 80), mask.shape)
        assertEquals("tags and two regions are seen", tags.size + 2, mask.floats().count { it == 0f })
    }

    @Test
    fun `a question is answered with the most probable answers first`() {
        val answers = pipeline.answer(look(), "Is there a dog?", top = 5)
        assertEquals(listOf("no", "yes"), answers.map { it.text })
        assertEquals(0.5, answers[0].probability, 1e-12)
        assertEquals("sigmoid(-2)", 0.11920292202211755, answers[1].probability, 1e-12)
        val shapes = networks.given.getValue("vqa").map { it.shape.toList() }
        val text = listOf(1, 128)
        assertEquals(listOf(text, text, text, listOf(1, 50, 8), listOf(1, 1, 178)), shapes)
    }

    @Test
    fun `an empty question is refused`() {
        val error = assertThrows(UserError::class.java) { pipeline.answer(look(), " ", top = 1) }
        assertEquals("nothing was asked: type a question about the photo", error.message)
    }

    private fun look() = pipeline.regions(fitted())

    private fun fitted() = pipeline.fit(Fixtures.photo("preprocess/photo.png"))
}

package org.minivlm.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test

/** Sequences are laid out as Python lays them out; tests/fixtures/layout holds them. */
class LayoutTest {
    private val fixture = Fixtures.json("layout/cases.json")
    private val special = specialTokens(fixture.child("special"))

    @Test
    fun `text, tags and regions of every case`() {
        for (case in fixture.children("text")) {
            val sizes = fixture.child("text_layouts").child(case.field("layout"))
            val layout = TextLayout(sizes.field<Long>("text_length").toInt(), sizes.field<Long>("regions").toInt())
            val made = layout.arrange(case.ints("text"), case.ints("tags"), rows(case), special)
            val name = case.field<String>("name")
            assertEquals(name, case.ints("token_ids"), made.tokenIds.map { it.toInt() })
            assertEquals(name, case.ints("token_types"), made.tokenTypes.map { it.toInt() })
            assertEquals(name, case.ints("positions"), made.positions.map { it.toInt() })
            assertArrayEquals(name, case.floats("regions"), made.regions, 0f)
            assertArrayEquals(name, case.floats("mask"), made.mask, 0f)
        }
    }

    @Test
    fun `what captions are about, for every case`() {
        for (case in fixture.children("caption")) {
            val made = captionLayout(case.field("layout")).context(case.ints("tags"), rows(case), special)
            val name = case.field<String>("name")
            assertEquals(name, case.ints("tag_ids"), made.tagIds.map { it.toInt() })
            assertArrayEquals(name, case.floats("regions"), made.regions, 0f)
            assertArrayEquals(name, case.floats("mask"), made.mask, 0f)
        }
    }

    @Test
    fun `distinct tags become text`() {
        val tokenizer = WordPieceTokenizer.read(Fixtures.vocabulary())
        val labels = Labels(tokenizer, fixture.field<List<*>>("tags").map { it as String }, emptyList())
        for (case in fixture.children("tag")) assertEquals(case.ints("ids"), labels.tagIds(case.ints("classes")))
    }

    @Test
    fun `the layouts that artifacts are fixed to`() {
        val vqa = fixture.child("text_layouts").child("vqa")
        assertEquals(listOf(TextLayout.VQA.textLength, TextLayout.VQA.regions), vqa.values.map { (it as Long).toInt() })
        assertEquals(CaptionLayout(), captionLayout("captioning"))
    }

    private fun captionLayout(name: String): CaptionLayout {
        val sizes = fixture.child("caption_layouts").child(name)
        return CaptionLayout(
            captionLength = sizes.field<Long>("caption_length").toInt(),
            tagLength = sizes.field<Long>("tag_length").toInt(),
            regions = sizes.field<Long>("regions").toInt(),
        )
    }

    private fun rows(case: JsonObject): RegionRows {
        val valid = case.booleans("valid")
        val values = FloatArray(2 * valid.size) { if (it % 2 == 0) it / 2 + 1f else -(it / 2) - 1f }
        return RegionRows(values, 2, valid)
    }
}

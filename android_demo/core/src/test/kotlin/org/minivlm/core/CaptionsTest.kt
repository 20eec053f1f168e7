package org.minivlm.core

import org.junit.Assert.assertEquals
import org.junit.Test

/** Captions of models that were recorded; tests/fixtures/caption holds what Python writes. */
class CaptionsTest {
    private val fixture = Fixtures.json("caption/recorded.json")
    private val special = specialTokens(fixture.child("special"))
    private val layout =
        fixture.child("layout").let {
            CaptionLayout(
                captionLength = it.field<Long>("caption_length").toInt(),
                tagLength = it.field<Long>("tag_length").toInt(),
                regions = it.field<Long>("regions").toInt(),
            )
        }

    @Test
    fun `every recorded model's caption is Python's`() {
        for (case in fixture.children("cases")) {
            val recorded = RecordedNetworks(case)
            val rows = RegionRows(FloatArray(2), 2, booleanArrayOf(true))
            val session = CaptionSession(recorded, layout, layout.context(listOf(5), rows, special))
            val caption = writeCaption(special, case.field<Long>("max_length").toInt(), session::advance)
            val name = "${case["name"]}, at most ${case["max_length"]}"
            assertEquals(name, case.ints("token_ids"), caption.tokenIds)
            assertEquals(name, case.number("score"), caption.score, 1e-5) // Python's is computed in float32
        }
    }

    @Test
    fun `of equal logits the first is taken`() {
        assertEquals(1, indexOfLargest(floatArrayOf(-1f, 2f, 2f, 0f)))
    }
}

/** Knows the logits that follow some beginnings of captions; finds the beginning in the cache and nowhere else. */
private class RecordedNetworks(
    case: JsonObject,
) : ArrayNetworks() {
    private val steps = case.children("steps").associate { it.ints("tokens") to it.floats("logits") }
    private val otherwise = case.floats("otherwise")

    override fun run(
        method: String,
        vararg inputs: Value,
    ): List<Value> =
        if (method == "prefill") {
            List(2) { value(FloatArray(inputs[2].shape.last()), 1, 1, 1, inputs[2].shape.last(), 1) }
        } else {
            step(inputs)
        }

    private fun step(inputs: Array<out Value>): List<Value> {
        val token = inputs[0].longs().single().toFloat()
        val position = inputs[1].longs().single().toInt()
        val keys = inputs[5].floats().also { it[position] = token }
        val values = inputs[6].floats().also { it[position] = -token }
        check(keys.indices.all { keys[it] == -values[it] }) { "keys and values were swapped or mixed" }
        val beginning = keys.take(position + 1).map { it.toInt() }
        val logits = steps[beginning] ?: otherwise
        return listOf(value(logits, 1, logits.size), value(keys, *inputs[5].shape), value(values, *inputs[6].shape))
    }
}

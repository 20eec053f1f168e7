package org.minivlm.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import java.util.Random

/** RFC 8259, read and written. */
class JsonTest {
    @Test
    fun `a document written out`() {
        val text = """ {"a" : [1, -2.5e3, true, null], "b\n\u00e9\ud83d\udc36": {}, "c": "\"\\\/\b\f\t", "d": []} """
        val expected =
            mapOf(
                "a" to listOf(1L, -2500.0, true, null),
                "b\né🐶" to emptyMap<String, Any?>(),
                "c" to "\"\\/\b\u000c\t",
                "d" to emptyList<Any?>(),
            )
        assertEquals(expected, Json.parse(text))
    }

    @Test
    fun `what is written is read back as it was`() {
        val random = Random(2020)
        repeat(2000) {
            val value = anyValue(random, 4)
            assertEquals(value, Json.parse(Json.write(value)))
        }
    }

    @Test
    fun `what is written is one line`() {
        val random = Random(7)
        repeat(500) {
            val line = Json.write(anyValue(random, 3))
            assertEquals(line, 1, line.lines().size)
        }
    }

    @Test
    fun `text that is no JSON is refused, never read as something else`() {
        val mistakes =
            listOf(
                "",
                " ",
                "{",
                "[",
                "]",
                "{]",
                "[1,]",
                "[1 2]",
                "{\"a\"}",
                "{\"a\":}",
                "{\"a\":1,}",
                "{a:1}",
                "01",
                "+1",
                ".5",
                "1.",
                "1e",
                "-",
                "tru",
                "nul",
                "NaN",
                "Infinity",
                "'a'",
                "\"",
                "\"\\x\"",
                "\"\\u12g4\"",
                "\"\\u12\"",
                "\"\\u+123\"",
                "\"a\nb\"",
                "1 1",
                "[1]]",
                "[".repeat(100_000),
            )
        for (text in mistakes) {
            val error = assertThrows(text.take(20), JsonError::class.java) { Json.parse(text) }
            assertTrue(error.message, error.message!!.startsWith("not JSON at character "))
        }
    }

    @Test
    fun `a whole document cut anywhere is refused`() {
        val text = """{"a":[1,{"b":"c\u0041"},true,null],"d":{"e":""}}"""
        for (end in 0 until text.length) {
            assertThrows(text.take(end), JsonError::class.java) { Json.parse(text.take(end)) }
        }
    }

    @Test
    fun `whole numbers stay whole`() {
        assertEquals(Long.MAX_VALUE, Json.parse("9223372036854775807"))
        assertEquals(9223372036854775808.0, Json.parse("9223372036854775808"))
    }

    @Test
    fun `numbers that JSON does not know cannot be written`() {
        for (value in listOf(Double.NaN, Double.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY)) {
            assertThrows(IllegalArgumentException::class.java) { Json.write(listOf(value)) }
        }
    }

    @Test
    fun `a field of another kind is named`() {
        val fields = mapOf("a" to 1L)
        assertEquals(
            "\"a\" is 1, not a String",
            assertThrows(JsonError::class.java) { fields.field<String>("a") }.message,
        )
        assertEquals(
            "\"b\" is missing, not an object",
            assertThrows(JsonError::class.java) { fields.child("b") }.message,
        )
    }

    private fun anyValue(
        random: Random,
        depth: Int,
    ): Any? =
        when (random.nextInt(if (depth > 0) 8 else 6)) {
            0 -> null
            1 -> random.nextBoolean()
            2 -> random.nextLong() shr random.nextInt(64)
            3 -> Double.fromBits(random.nextLong()).takeIf { it.isFinite() } ?: 0.5
            4, 5 -> anyString(random)
            6 -> List(random.nextInt(4)) { anyValue(random, depth - 1) }
            else -> List(random.nextInt(4)) { anyString(random) to anyValue(random, depth - 1) }.toMap()
        }

    /** Any UTF-16 units: control characters, quotes and half surrogate pairs included. */
    private fun anyString(random: Random): String =
        String(CharArray(random.nextInt(6)) { (random.nextInt(0x10000) ushr random.nextInt(16)).toChar() })
}

package org.minivlm.core

private const val DEEPEST = 100

/** Reads one JSON document by recursive descent; see [Json.parse]. */
internal class JsonReader(
    private val text: String,
) {
    private var at = 0
    private var depth = 0

    fun document(): Any? {
        val value = value()
        skipSpace()
        if (at < text.length) fail("more text after the end")
        return value
    }

    private fun value(): Any? {
        skipSpace()
        return when (peek()) {
            '{' -> nested(::members)
            '[' -> nested(::items)
            '"' -> string()
            't' -> literal("true", true)
            'f' -> literal("false", false)
            'n' -> literal("null", null)
            else -> number()
        }
    }

    private fun <T> nested(read: () -> T): T {
        if (++depth > DEEPEST) fail("nested too deep")
        at++
        return read().also { depth-- }
    }

    private fun members(): JsonObject {
        val members = LinkedHashMap<String, Any?>()
        if (ends('}')) return members
        do {
            skipSpace()
            val name = string()
            skipSpace()
            expect(':')
            members[name] = value()
        } while (continues('}'))
        return members
    }

    private fun items(): List<Any?> {
        val items = ArrayList<Any?>()
        if (ends(']')) return items
        do {
            items += value()
        } while (continues(']'))
        return items
    }

    /** Whether the closing character comes at once. */
    private fun ends(close: Char): Boolean {
        skipSpace()
        return (peek() == close).also { if (it) at++ }
    }

    /** Whether another item follows, rather than the closing character. */
    private fun continues(close: Char): Boolean {
        skipSpace()
        if (peek() == ',') {
            at++
            return true
        }
        expect(close)
        return false
    }

    private fun string(): String {
        expect('"')
        val read = StringBuilder()
        while (true) {
            val char = peek() ?: fail("a string does not end")
            at++
            when {
                char == '"' -> return read.toString()
                char == '\\' -> read.append(escaped())
                char < ' ' -> fail("a control character in a string")
                else -> read.append(char)
            }
        }
    }

    private fun escaped(): Char {
        val char = peek() ?: fail("a string does not end")
        at++
        return when (char) {
            '"', '\\', '/' -> char
            'b' -> '\b'
            'f' -> '\u000c'
            'n' -> '\n'
            'r' -> '\r'
            't' -> '\t'
            'u' -> hexadecimal()
            else -> fail("an unknown escape")
        }
    }

    private fun hexadecimal(): Char {
        val digits = text.substring(at, minOf(at + 4, text.length))
        if (!HEXADECIMAL.matches(digits)) fail("\\u without four digits")
        at += 4
        return digits.toInt(16).toChar()
    }

    private fun number(): Number {
        val match = NUMBER.find(text, at)?.takeIf { it.range.first == at } ?: fail("no value")
        at = match.range.last + 1
        return match.value.toLongOrNull() ?: match.value.toDouble()
    }

    private fun <T> literal(
        word: String,
        value: T,
    ): T {
        if (!text.startsWith(word, at)) fail("no value")
        at += word.length
        return value
    }

    private fun expect(char: Char) {
        if (peek() != char) fail("no '$char'")
        at++
    }

    private fun skipSpace() {
        while (at < text.length && text[at] in " \t\r\n") at++
    }

    private fun peek(): Char? = text.getOrNull(at)

    private fun fail(mistake: String): Nothing = throw JsonError("not JSON at character $at: $mistake")

    private companion object {
        val NUMBER = Regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")
        val HEXADECIMAL = Regex("[0-9a-fA-F]{4}")
    }
}

package org.minivlm.core

import java.text.Normalizer

/** Splits text as BERT's uncased models expect it (google-research/bert `tokenization.py`): lower case, no accents. */
internal object BertText {
    /** Returns the words and the single punctuation marks and ideographs of [text], as code points. */
    fun words(text: String): List<IntArray> {
        val words = ArrayList<IntArray>()
        var word = ArrayList<Int>()

        fun endWord() {
            if (word.isNotEmpty()) words += word.toIntArray()
            word = ArrayList()
        }
        for (point in normalised(text)) {
            when {
                isSpace(point) -> {
                    endWord()
                }

                isPunctuation(point) -> {
                    endWord()
                    words += intArrayOf(point)
                }

                else -> {
                    word += point
                }
            }
        }
        endWord()
        return words
    }

    private fun normalised(text: String): IntArray {
        val cleaned = StringBuilder()
        for (point in text.codePoints()) {
            when {
                point == '\t'.code || point == '\n'.code || point == '\r'.code || isSpace(point) -> cleaned.append(' ')
                isRemoved(point) -> Unit
                isIdeograph(point) -> cleaned.append(' ').appendCodePoint(point).append(' ')
                else -> cleaned.appendCodePoint(point)
            }
        }
        // Letter by letter: a final sigma stays the letter that the vocabulary has.
        return Normalizer
            .normalize(cleaned, Normalizer.Form.NFD)
            .codePoints()
            .filter { Character.getType(it) != Character.NON_SPACING_MARK.toInt() }
            .map(Character::toLowerCase)
            .toArray()
    }

    private fun isSpace(point: Int): Boolean =
        when (Character.getType(point).toByte()) {
            Character.SPACE_SEPARATOR, Character.LINE_SEPARATOR, Character.PARAGRAPH_SEPARATOR -> true
            else -> false
        }

    /** Control and format characters, half surrogate pairs, private ones and what stands for unreadable ones. */
    private fun isRemoved(point: Int): Boolean =
        point == 0xFFFD ||
            when (Character.getType(point).toByte()) {
                Character.CONTROL, Character.FORMAT, Character.SURROGATE, Character.PRIVATE_USE -> true
                else -> false
            }

    private fun isPunctuation(point: Int): Boolean =
        when (Character.getType(point).toByte()) {
            Character.CONNECTOR_PUNCTUATION, Character.DASH_PUNCTUATION, Character.START_PUNCTUATION,
            Character.END_PUNCTUATION, Character.INITIAL_QUOTE_PUNCTUATION, Character.FINAL_QUOTE_PUNCTUATION,
            Character.OTHER_PUNCTUATION,
            -> true

            else -> point in '!'.code..'~'.code && !Character.isLetterOrDigit(point)
        }

    private fun isIdeograph(point: Int): Boolean = IDEOGRAPHS.any { point in it }

    private val IDEOGRAPHS =
        listOf(
            0x4E00..0x9FFF,
            0x3400..0x4DBF,
            0x20000..0x2A6DF,
            0x2A700..0x2B73F,
            0x2B740..0x2B81F,
            0x2B920..0x2CEAF, // extension E begins at 0x2B820; the `tokenizers` library, which is to be met, here
            0xF900..0xFAFF,
            0x2F800..0x2FA1F,
        )
}

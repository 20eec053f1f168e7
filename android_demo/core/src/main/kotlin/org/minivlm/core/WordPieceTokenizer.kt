package org.minivlm.core

import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException

/** Ids of BERT's special tokens. */
data class SpecialTokens(
    val pad: Int,
    val unk: Int,
    val cls: Int,
    val sep: Int,
    val mask: Int,
)

/**
 * BERT's uncased WordPiece tokenizer; `minivlm/language/tokenizer.py` is its reference.
 *
 * Text is data: "[SEP]" in it is a bracket, a word and a bracket, never the special token.
 *
 * @param tokens the vocabulary; a token's id is its place.
 * @throws UserError if a token is there twice or a special one is missing.
 */
class WordPieceTokenizer(
    private val tokens: List<String>,
) {
    private val ids = HashMap<String, Int>(tokens.size * 2)

    /** Ids of the special tokens. */
    val special: SpecialTokens

    private val skipped: Set<Int>

    /** Number of tokens. */
    val size: Int get() = tokens.size

    init {
        tokens.forEachIndexed { id, token ->
            val first = ids.put(token, id)
            if (first != null) {
                throw UserError(
                    "the vocabulary holds '$token' on lines ${first + 1} and ${id + 1}; every token must have one id",
                )
            }
        }
        val missing = SPECIAL_NAMES.filter { it !in ids }
        if (missing.isNotEmpty()) {
            throw UserError("the vocabulary lacks ${missing.joinToString()}; give a BERT vocab.txt, which has them")
        }
        val (pad, unk, cls, sep, mask) = SPECIAL_NAMES.map { ids.getValue(it) }
        special = SpecialTokens(pad, unk, cls, sep, mask)
        skipped = setOf(pad, unk, cls, sep, mask)
    }

    /** Returns the ids of a text of any length, without special tokens around them. */
    fun encode(text: String): List<Int> = BertText.words(text).flatMap(::pieces)

    /** Returns readable text: special tokens left out, pieces joined, no space before punctuation. */
    fun decode(ids: Iterable<Int>): String {
        val text = ids.filter { it !in skipped }.joinToString(" ") { tokens[it] }.replace(" ##", "")
        return CLEAN_UP.fold(text) { cleaned, (spaced, joined) -> cleaned.replace(spaced, joined) }
    }

    /** Takes the longest prefix that the vocabulary has, again and again. */
    private fun pieces(word: IntArray): List<Int> {
        if (word.size > LONGEST_WORD) return listOf(special.unk)
        val found = ArrayList<Int>()
        var start = 0
        while (start < word.size) {
            val prefix = if (start > 0) "##" else ""
            val end = (word.size downTo start + 1).firstOrNull { prefix + String(word, start, it - start) in ids }
            if (end == null) return listOf(special.unk)
            found += ids.getValue(prefix + String(word, start, end - start))
            start = end
        }
        return found
    }

    companion object {
        /** Characters of a word beyond which it becomes [UNK], as in BERT. */
        private const val LONGEST_WORD = 100

        private val SPECIAL_NAMES = listOf("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

        /** What BERT's detokenization joins again, in this order; the list of `transformers`. */
        private val CLEAN_UP =
            listOf(
                " ." to ".",
                " ?" to "?",
                " !" to "!",
                " ," to ",",
                " ' " to "'",
                " n't" to "n't",
                " 'm" to "'m",
                " 's" to "'s",
                " 've" to "'ve",
                " 're" to "'re",
            )

        /**
         * Reads a vocab.txt, one token a line.
         *
         * @throws UserError if it is missing, not UTF-8 or no BERT vocabulary.
         */
        fun read(file: File): WordPieceTokenizer = WordPieceTokenizer(readLines(file))
    }
}

/**
 * Reads the lines of a UTF-8 file; only line feeds end one, and a carriage return before one belongs to the line end.
 *
 * @throws UserError if it is missing or not UTF-8.
 */
internal fun readLines(file: File): List<String> =
    try {
        val text =
            Charsets.UTF_8
                .newDecoder()
                .decode(ByteBuffer.wrap(file.readBytes()))
                .toString()
        text.replace("\r\n", "\n").removeSuffix("\n").split("\n")
    } catch (error: CharacterCodingException) {
        throw UserError("${file.path} is not UTF-8: copy it there again", error)
    } catch (error: IOException) {
        throw UserError("cannot read ${file.path}: copy it there again", error)
    }

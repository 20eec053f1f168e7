package org.minivlm.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

/** Token ids are Python's, to the last one; tests/fixtures/tokenizer holds them. */
class WordPieceTokenizerTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val cases = Fixtures.json("tokenizer/texts.json").children("cases")

    @Test
    fun `every text has the ids that Python gives it`() {
        var compared = 0
        for (vocabulary in listOf("vocab.txt", "vocab_tiny.txt")) {
            val tokenizer = WordPieceTokenizer.read(Fixtures.vocabulary(vocabulary))
            for (case in cases) {
                val expected = case.child("ids")[vocabulary] ?: continue
                val name = "${case.field<String>("name")}, $vocabulary"
                assertEquals(name, flat(expected).map { it.toInt() }, tokenizer.encode(case.field("text")))
                compared++
            }
        }
        assertTrue("only $compared texts were compared", compared > 150)
    }

    @Test
    fun `every list of ids has the text that Python gives it`() {
        val tokenizer = WordPieceTokenizer.read(Fixtures.vocabulary())
        for (case in cases) {
            val ids = case.child("ids").ints("vocab.txt")
            val expected = case.child("decoded").field<String>("vocab.txt")
            assertEquals(case.field<String>("name"), expected, tokenizer.decode(ids))
        }
    }

    @Test
    fun `special tokens are left out of text`() {
        val tokenizer = WordPieceTokenizer.read(Fixtures.vocabulary())
        val special = tokenizer.special
        val ids = listOf(special.cls) + tokenizer.encode("a skateboarder's trick.") + special.sep + special.pad
        assertEquals("a skateboarder's trick.", tokenizer.decode(ids))
    }

    @Test
    fun `special tokens cannot be smuggled in`() {
        val tokenizer = WordPieceTokenizer.read(Fixtures.vocabulary())
        val special = tokenizer.special
        val smuggled = tokenizer.encode("[CLS] [SEP] [MASK] [PAD]").toSet()
        assertTrue(setOf(special.cls, special.sep, special.mask, special.pad).none { it in smuggled })
    }

    @Test
    fun `windows line ends are read`() {
        val tokenizer =
            WordPieceTokenizer.read(
                write("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\ndog\r\n".toByteArray()),
            )
        assertEquals(listOf(5), tokenizer.encode("Dog"))
    }

    @Test
    fun `a vocabulary that is none is told in one line`() {
        val mistakes =
            mapOf(
                "[PAD]\n[UNK]\n[SEP]\na\n".toByteArray() to "lacks [CLS], [MASK]",
                "[PAD]\ndog\ncat\ndog\n".toByteArray() to "holds 'dog' on lines 2 and 4",
                byteArrayOf(0x5B, -1) to "is not UTF-8",
            )
        for ((content, message) in mistakes) {
            val error = assertThrows(UserError::class.java) { WordPieceTokenizer.read(write(content)) }
            assertTrue(error.message, message in error.message!! && '\n' !in error.message!!)
        }
    }

    private fun write(content: ByteArray) = folder.newFile().apply { writeBytes(content) }
}

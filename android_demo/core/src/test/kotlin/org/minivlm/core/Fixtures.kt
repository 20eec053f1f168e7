package org.minivlm.core

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import javax.imageio.ImageIO

/** The files that the Python tests use, too; `minivlm.root` is the repository's folder. */
object Fixtures {
    private val root = File(System.getProperty("minivlm.root") ?: error("set -Dminivlm.root to the repository"))

    fun file(path: String): File = File(root, "tests/fixtures/$path")

    fun document(name: String): File = File(root, "docs/$name")

    fun json(path: String): JsonObject = Json.readObject(file(path))

    fun vocabulary(name: String = "vocab.txt"): File = File(root, "minivlm/assets/$name")

    /** Reads raw little-endian float32. */
    fun floats(path: String): FloatArray {
        val buffer = ByteBuffer.wrap(file(path).readBytes()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(buffer.remaining()).also(buffer::get)
    }

    fun photo(path: String): Photo {
        val image = ImageIO.read(file(path))
        return Photo(
            object : Pixels {
                override val width = image.width
                override val height = image.height

                override fun readRow(
                    y: Int,
                    into: IntArray,
                ) {
                    image.getRGB(0, y, width, 1, into, 0, width)
                }

                override fun readColumn(
                    x: Int,
                    into: IntArray,
                ) {
                    image.getRGB(x, 0, 1, height, into, 0, 1)
                }
            },
        )
    }
}

/** The numbers of a list, however deep they are nested. */
fun flat(value: Any?): List<Number> =
    when (value) {
        is Number -> listOf(value)
        is List<*> -> value.flatMap(::flat)
        else -> error("no numbers: $value")
    }

fun JsonObject.ints(name: String): List<Int> = flat(get(name)).map { it.toInt() }

fun JsonObject.floats(name: String): FloatArray = flat(get(name)).map { it.toFloat() }.toFloatArray()

fun JsonObject.booleans(name: String): BooleanArray = field<List<*>>(name).map { it as Boolean }.toBooleanArray()

fun specialTokens(fields: JsonObject): SpecialTokens {
    fun id(name: String) = fields.field<Long>(name).toInt()
    return SpecialTokens(pad = id("pad"), unk = id("unk"), cls = id("cls"), sep = id("sep"), mask = id("mask"))
}

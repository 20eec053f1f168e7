package org.minivlm.core

import java.io.File
import java.io.IOException

/** A JSON object as it was read: values are String, Long, Double, Boolean, null, lists and objects. */
typealias JsonObject = Map<String, Any?>

/** Text that is not JSON, or JSON that does not hold what was looked for. */
class JsonError(
    message: String,
) : Exception(message)

/** Returns the value under [name] if it is a [T]. */
inline fun <reified T> JsonObject.field(name: String): T {
    val value = get(name)
    return value as? T ?: throw JsonError("\"$name\" is ${value ?: "missing"}, not a ${T::class.simpleName}")
}

/** Returns the object under [name]. */
fun JsonObject.child(name: String): JsonObject = asObject(get(name), name)

/** Returns the list of objects under [name]. */
fun JsonObject.children(name: String): List<JsonObject> = field<List<*>>(name).map { asObject(it, name) }

/** Returns the number under [name]. */
fun JsonObject.number(name: String): Double = field<Number>(name).toDouble()

/** Returns the list of whole numbers under [name]. */
fun JsonObject.longs(name: String): LongArray =
    LongArray(field<List<*>>(name).size) {
        field<List<*>>(name)[it] as? Long ?: throw JsonError("\"$name\" does not hold whole numbers only")
    }

private fun asObject(
    value: Any?,
    name: String,
): JsonObject {
    val map = value as? Map<*, *> ?: throw JsonError("\"$name\" is ${value ?: "missing"}, not an object")
    return map.entries.associate { (key, item) -> key as String to item }
}

/** Reading and writing JSON (RFC 8259); the platform's own reader is not there on a plain JVM. */
object Json {
    /**
     * Reads one value; numbers without fraction and exponent become Long, others Double.
     *
     * @throws JsonError with the place of the first mistake.
     */
    fun parse(text: String): Any? = JsonReader(text).document()

    /**
     * Reads a file that holds one object.
     *
     * @throws UserError if it cannot be read or is none.
     */
    fun readObject(file: File): JsonObject =
        try {
            asObject(parse(file.readText()), file.name)
        } catch (error: IOException) {
            throw UserError("cannot read ${file.path} (${error.message}): copy it there again", error)
        } catch (error: JsonError) {
            throw UserError("${file.name} is damaged (${error.message}): copy it there again", error)
        }

    /**
     * Writes null, Boolean, String, whole numbers, Float, Double, maps with String keys and iterables on one line.
     *
     * @throws IllegalArgumentException on anything else, and on NaN and infinities, which JSON does not know.
     */
    fun write(value: Any?): String = StringBuilder().also { append(value, it) }.toString()

    private fun append(
        value: Any?,
        to: StringBuilder,
    ) {
        when (value) {
            null, is Boolean, is Int, is Long -> {
                to.append(value)
            }

            is Float, is Double -> {
                to.append(finite(value as Number))
            }

            is String -> {
                appendString(value, to)
            }

            is Map<*, *> -> {
                appendAll(value.entries, "{", "}", to) { (key, item) ->
                    appendString(key as String, to)
                    to.append(':')
                    append(item, to)
                }
            }

            is Iterable<*> -> {
                appendAll(value, "[", "]", to) { append(it, to) }
            }

            else -> {
                throw IllegalArgumentException("${value::class.simpleName} has no JSON form")
            }
        }
    }

    private fun finite(value: Number): Number {
        require(value.toDouble().isFinite()) { "$value has no JSON form" }
        return value
    }

    private fun <T> appendAll(
        items: Iterable<T>,
        open: String,
        close: String,
        to: StringBuilder,
        item: (T) -> Unit,
    ) {
        to.append(open)
        items.forEachIndexed { index, one ->
            if (index > 0) to.append(',')
            item(one)
        }
        to.append(close)
    }

    private fun appendString(
        text: String,
        to: StringBuilder,
    ) {
        to.append('"')
        for (char in text) {
            when {
                char == '"' || char == '\\' -> {
                    to.append('\\').append(char)
                }

                char < ' ' || char.isSurrogate() || char == '\u2028' || char == '\u2029' -> {
                    to.append("\\u").append(char.code.toString(16).padStart(4, '0'))
                }

                else -> {
                    to.append(char)
                }
            }
        }
        to.append('"')
    }
}

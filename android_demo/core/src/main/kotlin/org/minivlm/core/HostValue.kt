package org.minivlm.core

/** Element types of tensors that go from one part of a method to the next, as sidecars call them. */
const val FLOAT32 = "float32"
const val INT64 = "int64"
const val INT32 = "int32"
const val BOOL = "bool"

/**
 * A tensor in arrays of the virtual machine, for runtimes that copy what they take and give.
 *
 * @property elements row by row: a FloatArray, LongArray, IntArray or BooleanArray.
 */
class HostValue(
    val elements: Any,
    override val shape: IntArray,
) : Value {
    init {
        val count = shape.fold(1, Int::times)
        require(sizeOf(elements) == count) { "${sizeOf(elements)} elements for the shape ${shape.toList()}" }
    }

    override val isLong: Boolean get() = elements !is FloatArray

    override fun floats(): FloatArray = elements as? FloatArray ?: throw UserError("whole numbers instead of float32")

    /** Returns int64 elements; int32 and truth values are widened. */
    override fun longs(): LongArray =
        when (elements) {
            is LongArray -> elements
            is IntArray -> LongArray(elements.size) { elements[it].toLong() }
            is BooleanArray -> LongArray(elements.size) { if (elements[it]) 1 else 0 }
            else -> throw UserError("float32 instead of whole numbers")
        }

    /**
     * Returns the elements in the type that a part takes.
     *
     * @throws UserError if they are of another kind, or too large for it.
     */
    fun of(dtype: String): Any =
        when (dtype) {
            FLOAT32 -> floats()
            INT64 -> longs()
            INT32 -> elements as? IntArray ?: narrowed(longs())
            BOOL -> elements as? BooleanArray ?: throw UserError("numbers instead of truth values")
            else -> throw UserError("tensors of type $dtype are not known here: update the app")
        }

    private fun narrowed(wide: LongArray) =
        IntArray(wide.size) {
            if (wide[it] < Int.MIN_VALUE || wide[it] > Int.MAX_VALUE) throw UserError("${wide[it]} is no int32")
            wide[it].toInt()
        }

    private companion object {
        fun sizeOf(elements: Any): Int =
            when (elements) {
                is FloatArray -> elements.size
                is LongArray -> elements.size
                is IntArray -> elements.size
                is BooleanArray -> elements.size
                else -> throw IllegalArgumentException("${elements::class.simpleName} is no array of elements")
            }
    }
}

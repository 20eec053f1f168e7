package org.minivlm.core

/** Networks without a runtime: tensors are arrays, and what is run is up to the test. */
abstract class ArrayNetworks : Networks {
    var closed = false

    override fun value(
        elements: FloatArray,
        vararg shape: Int,
    ): Value = ArrayValue(elements.copyOf(), null, checked(shape, elements.size))

    override fun value(
        elements: LongArray,
        vararg shape: Int,
    ): Value = ArrayValue(null, elements.copyOf(), checked(shape, elements.size))

    override fun load(method: String) = Unit

    override fun close() {
        closed = true
    }

    private fun checked(
        shape: IntArray,
        size: Int,
    ): IntArray = shape.also { check(it.fold(1, Int::times) == size) { "$size elements in ${it.toList()}" } }
}

private class ArrayValue(
    private val floats: FloatArray?,
    private val longs: LongArray?,
    override val shape: IntArray,
) : Value {
    override val isLong: Boolean get() = longs != null

    override fun floats(): FloatArray = checkNotNull(floats) { "these are int64" }.copyOf()

    override fun longs(): LongArray = checkNotNull(longs) { "these are float32" }.copyOf()
}

package org.minivlm.core

/** Something the user did or gave that cannot work: one line with what was given, the rule and the way out. */
class UserError(
    message: String,
    cause: Throwable? = null,
) : Exception(message, cause)

/** Returns in one line what to tell a person about an error, those of the virtual machine and the linker included. */
fun explain(error: Throwable): String {
    val text =
        when (error) {
            is UserError -> error.message.orEmpty()
            is OutOfMemoryError -> "the phone has too little memory for this (${error.message}): take a smaller model"
            else -> error.toString()
        }
    return text.lines().first()
}

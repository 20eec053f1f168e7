package org.minivlm.core

/** Something the user did or gave that cannot work: one line with what was given, the rule and the way out. */
class UserError(
    message: String,
    cause: Throwable? = null,
) : Exception(message, cause)

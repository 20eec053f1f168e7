package org.minivlm.core

import java.io.File

private const val FORMAT = 1L
private const val NAME = "pieces.json"

/** As `export/backends/litert/pieces.py` calls the signature of every piece. */
private const val SIGNATURE = "part"

/**
 * An artifact cut into pieces, those with its multiply-adds for an accelerator and the rest for the CPU.
 *
 * `export/backends/litert/piece_files.py` writes them; docs/phones-android.md, "Pieces", fixes the format.
 *
 * @property methods by the artifact's methods.
 */
class PieceFiles private constructor(
    private val folder: File,
    private val checksums: Map<String, String>,
    val methods: List<PartedMethod>,
) {
    /**
     * Holds the pieces against their checksums, which takes reading them once.
     *
     * @throws UserError naming the first that is damaged.
     */
    fun requireIntact() {
        for ((name, checksum) in checksums) {
            if (sha256(File(folder, name)) != checksum) {
                throw UserError("${folder.name}/$name is damaged: copy the folder again")
            }
        }
    }

    companion object {
        /**
         * Reads the folder beside an artifact.
         *
         * @throws UserError if it is missing, damaged, of another version, or another artifact's.
         */
        fun read(artifact: Artifact): PieceFiles {
            val folder = artifact.piecesFolder
            val file = File(folder, NAME)
            if (!file.isFile) {
                throw UserError(
                    "${folder.name} is not beside ${artifact.file.name}, and the GPU takes it in pieces only: " +
                        "make them with python export/gpu_pieces.py, and copy the folder there",
                )
            }
            val fields = Json.readObject(file)
            try {
                if (fields["format"] != FORMAT) throw JsonError("format ${fields["format"]}")
                if (fields.field<String>("sha256") != artifact.sha256) {
                    throw UserError(
                        "${folder.name} has the pieces of another file than ${artifact.file.name}: copy both",
                    )
                }
                val pieces = fields.children("methods").flatMap { it.children("pieces") }
                val checksums = pieces.associate { plainName(it) to it.field<String>("sha256") }
                checksums.keys.forEach {
                    val piece = File(folder, it)
                    if (!piece.isFile) {
                        throw UserError("${folder.name}/$it is missing: copy the folder again")
                    }
                }
                return PieceFiles(folder, checksums, fields.children("methods").map { method(it, folder) })
            } catch (error: JsonError) {
                throw UserError("${folder.name}/$NAME is damaged (${error.message}): copy the folder again", error)
            }
        }

        private fun method(
            fields: JsonObject,
            folder: File,
        ): PartedMethod {
            val method =
                PartedMethod(
                    name = fields.field("name"),
                    inputs = numbers(fields.child("inputs")),
                    outputs = numbers(fields.child("outputs")),
                    parts = fields.children("pieces").map { part(it, folder) },
                )
            requireOrder(method)
            return method
        }

        /** Refuses pieces that would take what no piece before them gives. */
        private fun requireOrder(method: PartedMethod) {
            val known = method.inputs.toHashSet()
            for (part in method.parts) {
                val missing = part.inputs.firstOrNull { it.name !in known }
                if (missing != null) throw JsonError("${part.file.name} takes ${missing.name}, which nothing gives")
                known += part.outputs.map { it.name }
            }
            val missing = method.outputs.firstOrNull { it !in known }
            if (missing != null) throw JsonError("${method.name} returns $missing, which nothing gives")
        }

        private fun part(
            fields: JsonObject,
            folder: File,
        ) = Part(
            file = File(folder, plainName(fields)),
            signature = SIGNATURE,
            inputs = fields.children("inputs").map(::tensor),
            outputs = fields.children("outputs").map(::tensor),
            accelerated = fields.field("accelerated"),
        )

        private fun plainName(fields: JsonObject): String =
            fields.field<String>("file").also { if ('/' in it) throw JsonError("$it is not in this folder") }

        private fun tensor(fields: JsonObject): TensorSpec {
            val shape = fields.longs("shape").map { it.toInt() }.toIntArray()
            return TensorSpec(fields.field<Long>("tensor").toString(), shape, fields.field("dtype"))
        }

        private fun numbers(ends: JsonObject): List<String> = ends.keys.map { ends.field<Long>(it).toString() }
    }
}

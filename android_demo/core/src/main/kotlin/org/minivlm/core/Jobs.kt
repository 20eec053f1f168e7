package org.minivlm.core

/** Tokens that a measured caption writes after [CLS]. */
private const val CAPTION_TOKENS = 19

/** What is measured, and with which methods of the artifact. */
internal interface Job {
    val methods: List<String>
    val tokens: Int?
    val inputs: Map<String, IntArray>

    fun stages(networks: Networks): List<Stage>
}

/** From a decoded photo to a caption of fixed length; each stage hands on what it made. */
internal class CaptionJob(
    private val artifact: Artifact,
    private val labels: Labels,
    private val decoded: Photo,
) : Job {
    override val methods = listOf("regions", "prefill", "step")
    override val tokens = CAPTION_TOKENS
    override val inputs = mapOf("image" to artifact.inputShape("regions", "image"))

    override fun stages(networks: Networks): List<Stage> {
        val pipeline = Pipeline(artifact, networks, labels)
        lateinit var fitted: NetworkInput
        lateinit var regions: Regions
        lateinit var session: CaptionSession
        return listOf(
            Stage("preprocess") { fitted = pipeline.fit(decoded) },
            Stage("regions") { regions = pipeline.regions(fitted) },
            Stage("prefill") { session = pipeline.session(regions) },
            Stage("steps") { pipeline.write(session, CAPTION_TOKENS) },
        )
    }
}

/** The one method of a part of a model, on the inputs that it was verified with. */
internal class PartJob(
    artifact: Artifact,
    private val verification: VerificationInputs,
) : Job {
    private val method = artifact.methods.single().name
    override val methods = listOf(method)
    override val tokens = null
    override val inputs = artifact.method(method).inputs.associate { it.name to it.shape }

    override fun stages(networks: Networks): List<Stage> {
        val values =
            verification
                .read(method, networks)
                .values
                .toTypedArray()
        return listOf(Stage(method) { networks.run(method, *values) })
    }
}

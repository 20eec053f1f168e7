package org.minivlm.core

import java.io.Closeable
import java.io.File
import java.util.concurrent.Executor

/**
 * The main screen without its views: what is done becomes a [Screen]. It outlives the views that show it.
 *
 * All methods are for the screen's thread.
 *
 * @param folder of the models.
 * @param accelerators what models can run on, the one to begin with first.
 * @param worker runs tasks one after another; the model is used there only.
 * @param screen runs tasks in the screen's thread.
 */
class Demo(
    private val folder: File,
    private val accelerators: List<Accelerator>,
    private val worker: Executor,
    private val screen: Executor,
    private val timer: Timer = Timer(),
) : Closeable {
    private var assistant: Assistant? = null // the worker's
    private var choices: List<Choice> = emptyList()
    private var wanted: Choice? = null
    private var read: (() -> Photo)? = null
    private var look: Look? = null

    /** What is to be seen now. */
    var shown: Screen = Screen(caption = Screen.WELCOME)
        private set

    /** Takes every new [Screen], and the present one at once. */
    var watcher: (Screen) -> Unit = {}
        set(value) {
            field = value
            value(shown)
        }

    /** Looks which models there are. */
    fun start() =
        work("Looking for models …") {
            val models = Models.find(folder, accelerators)
            models.requireAny()
            return@work { screen ->
                choices = models.choices
                chosen(screen, models.choices.first()).copy(notes = models.mistakes.map(::explain))
            }
        }

    /** Takes another model, and describes the photo again; no other where [place] is the chosen one. */
    fun chooseModel(place: Int) {
        if (!shown.canChoose || place == shown.model) return
        choose(choices.first { it.model == shown.models[place] })
    }

    /** Takes another accelerator, likewise. */
    fun chooseAccelerator(place: Int) {
        if (!shown.canChoose || place == shown.accelerator) return
        val model = shown.models[shown.model]
        choose(choices.first { it.model == model && it.accelerator.label == shown.accelerators[place] })
    }

    /**
     * Describes a photo.
     *
     * @param read decodes it; called in the worker, and again when another model is chosen.
     */
    fun describe(read: () -> Photo) {
        this.read = read
        look = null
        val kept = shown
        shown = Screen(kept.models, kept.model, kept.accelerators, kept.accelerator, notes = kept.notes)
        val asked = wanted
        work("Reading the photo …") {
            val photo = read()
            tell { it.copy(photoWidth = photo.width, photoHeight = photo.height, message = "Loading the model …") }
            val before = assistant
            val opened = opened(asked)
            val fallback = if (opened === before) "" else opened.fallback
            tell { it.copy(message = "Looking for regions …") }
            val found = opened.look(photo, ::showRegions, ::showWords)
            return@work { screen -> described(screen, opened, found, fallback) }
        }
    }

    /** Selects what a tap means; see [tapped]. */
    fun tap(
        x: Float,
        y: Float,
        margin: Float,
    ) = show { it.copy(selected = tapped(it.boxes, x, y, margin, it.selected)) }

    /** Selects the next best region, for those who do not tap a photo. */
    fun selectNext() {
        if (shown.boxes.isEmpty()) return
        show { it.copy(selected = ((it.selected ?: -1) + 1) % it.boxes.size) }
    }

    /** Answers a question about the photo. */
    fun ask(question: String) {
        val about = look ?: return
        if (!shown.canAsk) return
        show { it.copy(answers = emptyList()) }
        work("Answering …") {
            val (found, time) = checkNotNull(assistant).answer(about, question)
            val lines = found.map { "${it.text} (${percent(it.probability)})" }
            return@work { it.copy(answers = lines, times = time.text) }
        }
    }

    /** Says something about what was tried beside the model, such as a camera that is not there. */
    fun say(message: String) = show { it.copy(message = message) }

    override fun close() = worker.execute { assistant?.close() }

    private fun choose(choice: Choice) {
        wanted = choice
        show { chosen(it, choice) }
        read?.let(::describe)
    }

    private fun chosen(
        screen: Screen,
        choice: Choice,
    ): Screen {
        val models = choices.map { it.model }.distinct()
        val runnable = choices.filter { it.model == choice.model }.map { it.accelerator.label }
        return screen.copy(
            models = models,
            model = models.indexOf(choice.model),
            accelerators = runnable,
            accelerator = runnable.indexOf(choice.accelerator.label),
        )
    }

    /**
     * Returns the wanted model, or without a wish the first that can be loaded; runs in the worker. Where the wanted
     * accelerator cannot be set up, the model that takes its place becomes the wish.
     */
    private fun opened(asked: Choice?): Assistant {
        assistant?.let { if (asked == null || asked.isSame(it.choice)) return it }
        assistant?.close() // two at once may be more than the memory holds
        assistant = null
        val models = Models.find(folder, accelerators)
        val candidates = models.requireAny()
        val opened =
            if (asked == null) {
                Assistant.open(candidates, timer)
            } else {
                val wish = candidates.firstOrNull(asked::isSame) ?: asked // its file may be gone
                Assistant.openWanted(wish, models.insteadOf(wish), timer)
            }
        assistant = opened
        tell {
            choices = models.choices
            if (opened.fallback.isNotEmpty()) wanted = opened.choice
            val notes = (models.mistakes.map(::explain) + opened.passedOver).toMutableList()
            if (opened.artifact.randomWeights) notes.add(0, Screen.RANDOM_WEIGHTS)
            chosen(it, opened.choice).copy(notes = notes)
        }
        return opened
    }

    private fun showRegions(found: List<TaggedBox>) =
        tell { it.copy(boxes = found.take(SHOWN_BOXES), looked = true, message = "Writing a caption …") }

    private fun showWords(text: String) = tell { it.copy(caption = text) }

    private fun described(
        screen: Screen,
        opened: Assistant,
        found: Look,
        fallback: String,
    ): Screen {
        look = found
        return screen.copy(
            caption = found.caption,
            times = found.stages.joinToString { it.text },
            answering = opened.artifact.answers,
            message = fallback,
        )
    }

    /** Runs [task] in the worker, then what it returns in the screen's thread; mistakes are shown. */
    private fun work(
        doing: String,
        task: () -> (Screen) -> Screen,
    ) {
        show { it.copy(busy = true, message = doing) }
        worker.execute {
            val done: (Screen) -> Screen =
                try {
                    task()
                } catch (error: Throwable) {
                    // running out of memory and libraries that do not load included
                    { it.copy(message = explain(error)) }
                }
            tell { done(it.copy(busy = false, message = "")) }
        }
    }

    private fun tell(change: (Screen) -> Screen) = screen.execute { show(change) }

    private fun show(change: (Screen) -> Screen) {
        shown = change(shown)
        watcher(shown)
    }
}

/** Returns a share of one as people read it. */
internal fun percent(share: Double): String = "%.0f %%".format(100 * share)

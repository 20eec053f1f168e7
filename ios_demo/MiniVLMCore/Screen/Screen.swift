import Foundation

/// All that the demo's screen shows. The app calls the functions below and draws what is here.
public struct Screen: Sendable {
    /// Where the screen is; the texts are those of the table in docs/phones-ios.md.
    public enum State: String, Sendable, CaseIterable {
        case opening, unopened, waiting, looking, writing, undescribed, described, answering, answered, measuring

        /// What the screen says in this state.
        public var text: String {
            switch self {
            case .opening: "Loading the model."
            case .unopened: "No model is loaded. Choose one below, or copy one over."
            case .waiting: "Choose a photo: the model looks for regions in it and describes it."
            case .looking: "Looking for regions."
            case .writing: "Writing the caption."
            case .undescribed: "The photo is not described. Choose it again, or another model."
            case .described: "Tap a region for its tag and score, or ask about the photo."
            case .answering: "Looking for answers."
            case .answered: "The best answers; each has a probability of its own."
            case .measuring: "Measuring. Leave the phone alone, and this app in front."
            }
        }

        /// Whether something runs, so that a wheel turns.
        public var isBusy: Bool { Self.busy.contains(self) }

        /// What can be done, besides looking at regions that are there.
        public var actions: Set<Action> {
            switch self {
            case .opening, .looking, .writing, .answering: []
            case .unopened: [.chooseModel]
            case .waiting, .undescribed: [.chooseModel, .choosePhoto]
            case .described, .answered: [.chooseModel, .choosePhoto, .ask, .measure]
            case .measuring: [.stop]
            }
        }

        private static let busy: Set<State> = [.opening, .looking, .writing, .answering, .measuring]
    }

    /// Something a person can do.
    public enum Action: String, Sendable, CaseIterable {
        case chooseModel = "choose a model"
        case choosePhoto = "choose a photo"
        case ask, measure, stop
    }

    public private(set) var state = State.opening
    public private(set) var models: [ModelChoice] = []
    /// One line for each model that cannot be read.
    public private(set) var faults: [String] = []
    public private(set) var model: ModelChoice?
    public private(set) var accelerators: [Accelerator] = []
    public private(set) var accelerator: Accelerator?
    /// Why something else runs the model than what was chosen.
    public private(set) var notice: String?
    /// Where the open model's methods run.
    public private(set) var placements: Placements = [:]
    /// Where the open model's numbers come from.
    public private(set) var weights: String?
    /// Whether the open model can answer questions.
    public private(set) var answersQuestions = false
    public private(set) var photo: RGBImage?
    public private(set) var regions: [ShownRegion] = []
    /// `id` of the region that was tapped.
    public private(set) var chosen: Int?
    /// As far as it is written; nil before its first word.
    public private(set) var caption: String?
    public private(set) var answers: [Answer] = []
    /// The latest time of every stage.
    public private(set) var stages: [StageTime] = []
    /// Of the measurement that runs.
    public private(set) var step: String?
    /// What went wrong, in one line.
    public private(set) var message: String?

    public init() {}

    /// Whether something can be done now.
    public func offers(_ action: Action) -> Bool {
        state.actions.contains(action) && (action != .ask || answersQuestions)
    }

    /// What ran a stage, in words; nil where nobody tells.
    public func ranOn(_ stage: StageTime) -> String? {
        stage.method.map { placements[$0]?.text } ?? Placement.Unit.cpu.title
    }

    /// The tapped region.
    public var chosenRegion: ShownRegion? { regions.first { $0.id == chosen } }
}

// What happens, in the order in which it does.
extension Screen {
    /// The models that there are, and what is wrong with others.
    public mutating func found(_ models: [ModelChoice], faults: [String]) {
        (self.models, self.faults) = (models, faults)
    }

    /// A model is being loaded; what the last one said goes.
    public mutating func open(_ model: ModelChoice) {
        (state, self.model) = (.opening, model)
        (weights, accelerators, accelerator, answersQuestions) = (nil, [], nil, false)
        (notice, placements) = (nil, [:])
        forget()
    }

    /// How it is going to be run is known; it is shown even if loading fails, so that another can be chosen.
    public mutating func run(on accelerator: Accelerator, of choices: [Accelerator]) {
        (self.accelerator, accelerators) = (accelerator, choices)
    }

    /// Something else runs it than was chosen, which stays on the screen until another choice is made.
    ///
    /// - Parameter model: Another file's, where the chosen one runs on nothing else.
    public mutating func fallBack(to model: ModelChoice?, _ notice: String) {
        self.model = model ?? self.model
        self.notice = notice
    }

    /// Where the methods run is known.
    public mutating func placed(_ placements: Placements) {
        self.placements = placements
    }

    public mutating func opened(_ artifact: Artifact) {
        weights = artifact.sidecar.weights.description
        answersQuestions = artifact.sidecar.method("vqa") != nil
        state = photo == nil ? .waiting : .undescribed
    }

    /// A photo is being read; the last one goes.
    public mutating func read() {
        (state, photo) = (.looking, nil)
        forget()
    }

    public mutating func look(at photo: RGBImage) {
        (state, self.photo) = (.looking, photo)
        forget()
    }

    public mutating func saw(_ regions: [ShownRegion], in times: [StageTime]) {
        (state, self.regions) = (.writing, regions)
        note(times)
    }

    /// More of the caption, or all of it.
    public mutating func wrote(_ progress: CaptionProgress) {
        switch progress {
        case .words(let text): caption = text
        case .finished(let timed):
            (state, caption) = (.described, timed.result)
            note(timed.stages)
        }
    }

    public mutating func ask() {
        (state, answers, message) = (.answering, [], nil)
    }

    public mutating func answered(_ timed: Timed<[Answer]>) {
        (state, answers) = (.answered, timed.result)
        note(timed.stages)
    }

    /// A measurement begins; it needs the memory of the open model, which has to be opened again afterwards.
    public mutating func measure() {
        (state, step, message) = (.measuring, nil, nil)
    }

    /// The measurement is at this step, as in status.json.
    public mutating func measures(_ step: String) {
        self.step = step
    }

    /// Tap on the photo, in its pixels.
    public mutating func tap(x: Float, y: Float) {
        chosen = ShownRegion.tapped(x: x, y: y, among: regions, chosen: chosen)
    }

    /// Choice of a region by name, as VoiceOver makes it; the chosen one is let go.
    public mutating func choose(region id: Int) {
        chosen = chosen == id ? nil : id
    }

    /// Something failed: the screen goes back to what is there still.
    public mutating func failed(_ error: any Error) {
        message = describe(error)
        state =
            switch state {
            case .opening: .unopened
            case .looking, .writing: photo == nil ? .waiting : .undescribed
            case .answering: .described
            case .measuring: .unopened
            default: state
            }
    }

    private mutating func forget() {
        (regions, chosen, caption, answers, stages, message) = ([], nil, nil, [], [], nil)
    }

    private mutating func note(_ times: [StageTime]) {
        stages.removeAll { old in times.contains { $0.name == old.name } }
        stages += times
    }
}

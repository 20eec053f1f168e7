# The sample model, from drawings to the folder that is shipped: docs/sample.md. Whatever interrupts it, the same command
# goes on: folders appear whole, trainings and scores resume, and a file in $(SAMPLE_DIR)/done says what has ended.
# Prerequisites behind | must be there and are never compared by time: nothing that took hours is made twice by itself.

# Where all of it is made, and what a stage is told; such as make sample SAMPLE_SCENES=2000 SAMPLE_DETECTOR="--steps 300"
SAMPLE_DIR ?= sample
SAMPLE_SEED ?= 0
# Pictures for the detector; for its further trainings; for language; for the critic; of val, test and unseen-style each.
SAMPLE_SCENES ?= 20000
SAMPLE_FURTHER_SCENES ?= 6000
SAMPLE_LANGUAGE_SCENES ?= 10000
SAMPLE_CRITIC_SCENES ?= 4000
SAMPLE_HELD_OUT ?= 1000
# Rounds of questions, six each, about a picture that language is learnt from.
SAMPLE_ROUNDS ?= 3
# Pictures among which retrieval searches: it compares all of them with all texts.
SAMPLE_SEARCHED ?= 100
# Flags of the trainings, such as --epochs 3 or --steps 100; without them the recipes' own lengths.
SAMPLE_DETECTOR ?=
# For two cores; on an accelerator nothing, which leaves the recipe's own batch, rate and epochs.
SAMPLE_FURTHER ?= --batch 8 --learning-rate 1e-3 --epochs 1
SAMPLE_PRETRAIN ?=
SAMPLE_TASKS ?=
# Of both trainings by reward.
SAMPLE_CRITIC ?= --batch 24 --steps 700
# Recipes: on an accelerator, SAMPLE_RECIPE=scenes-large SAMPLE_FURTHER= SAMPLE_LANGUAGE_RECIPE=small-world-large
SAMPLE_RECIPE ?= scenes
SAMPLE_LANGUAGE_RECIPE ?= small-world
# Processes that compose scenes and find regions.
SAMPLE_PROCESSES ?= 2
# Threads that compute (empty: PyTorch's choice), processes that make batches, and what the card calls this machine.
SAMPLE_THREADS ?=
SAMPLE_WORKERS ?= 1
SAMPLE_MACHINE ?=
# Scores of a model that sees no picture, to stand beside: such as test=DIR unseen-style=DIR
SAMPLE_BLIND ?=

S := $(SAMPLE_DIR)
ASSETS := minivlm/assets
MINIVLM = $(RUN) -m minivlm
HELD_OUT := val test unseen-style
TRAIN_FLAGS = --seed $(SAMPLE_SEED) --workers $(SAMPLE_WORKERS) $(if $(SAMPLE_THREADS),--threads $(SAMPLE_THREADS)) --resume
# Of the sets that a model was trained on, $(1).
card_flags = --data $(1:%=$(S)/scenes/%) $(S)/scenes/test $(S)/scenes/unseen-style $(if $(SAMPLE_MACHINE),--machine "$(SAMPLE_MACHINE)")
done = @mkdir -p $(S)/done && touch $@
# A folder takes its place in one step.
ship = mkdir -p $(2).new && cp $(1)/* $(2).new/ && rm -rf $(2) && mv $(2).new $(2)

.PHONY: sample sample-lite sample-scores

sample: $(ASSETS)/sample/MODEL_CARD.md  ## make the sample model, all stages: hours; goes on where it was interrupted
	@cat $(ASSETS)/sample/MODEL_CARD.md

sample-lite: $(ASSETS)/sample-lite/MODEL_CARD.md  ## make the second detector, tee-lite-sample, likewise
	@cat $(ASSETS)/sample-lite/MODEL_CARD.md

$(VENV)/.sample: $(VENV)/.runtime
	@echo "installing what training needs ..."
	$(PIP) --editable '.[scenes,train,lite,evaluate]'
	@touch $@

# Data

$(S)/drawings/about.json: | $(VENV)/.sample
	$(MINIVLM) data drawings $(@D)

# More artists' icons, and other looks of what the artists drew: in training alone.
$(S)/more-drawings/about.json: | $(VENV)/.sample
	$(MINIVLM) data drawings $(@D) --training-styles

$(S)/scenes/styles/about.json: | $(S)/more-drawings/about.json
	$(MINIVLM) data scenes $(@D) --split train --count $(SAMPLE_FURTHER_SCENES) --seed $$(($(SAMPLE_SEED) + 2)) \
	  --drawings $(S)/more-drawings --workers $(SAMPLE_PROCESSES)

$(S)/scenes/train/about.json: | $(S)/drawings/about.json
	$(MINIVLM) data scenes $(@D) --split train --count $(SAMPLE_SCENES) --seed $(SAMPLE_SEED) --drawings $(S)/drawings --workers $(SAMPLE_PROCESSES)

# Other pictures than the detector's, which it knows better than any that it will be asked about: of another seed. And
# others again for the critic, in all styles: of what language was learnt from a model is surer than it may be of others.
$(S)/scenes/language/about.json: | $(S)/drawings/about.json
	$(MINIVLM) data scenes $(@D) --split train --count $(SAMPLE_LANGUAGE_SCENES) --seed $$(($(SAMPLE_SEED) + 1)) \
	  --rounds $(SAMPLE_ROUNDS) --drawings $(S)/drawings --workers $(SAMPLE_PROCESSES)

$(S)/scenes/critic/about.json: | $(S)/more-drawings/about.json
	$(MINIVLM) data scenes $(@D) --split train --count $(SAMPLE_CRITIC_SCENES) --seed $$(($(SAMPLE_SEED) + 3)) \
	  --rounds $(SAMPLE_ROUNDS) --drawings $(S)/more-drawings --workers $(SAMPLE_PROCESSES)

$(HELD_OUT:%=$(S)/scenes/%/about.json): $(S)/scenes/%/about.json: | $(S)/drawings/about.json
	$(MINIVLM) data scenes $(@D) --split $* --count $(SAMPLE_HELD_OUT) --seed $(SAMPLE_SEED) --drawings $(S)/drawings --workers $(SAMPLE_PROCESSES)

# Detectors: of the sample, and the second one

$(S)/done/detector: MODEL = tee-sample
$(S)/done/lite-detector: MODEL = tee-lite-sample
$(S)/done/detector $(S)/done/lite-detector: $(S)/done/%: | $(S)/scenes/train/about.json $(S)/scenes/val/about.json
	$(MINIVLM) train detector $(S)/$* --data $(S)/scenes/train --model $(MODEL) --recipe $(SAMPLE_RECIPE) \
	  --backbone efficientnet-lite0 $(SAMPLE_DETECTOR) $(TRAIN_FLAGS)
	$(MINIVLM) evaluate detection --data $(S)/scenes/val --checkpoint $(S)/$* \
	  --output $(S)/scores/$*-val --resume
	$(done)

# Two go on from the first in more styles, with chance of their own; what they agree on is there in other styles, too.
FURTHER := 1 2
$(FURTHER:%=$(S)/done/further-%): $(S)/done/further-%: | $(S)/done/detector $(S)/scenes/styles/about.json
	$(MINIVLM) train detector $(S)/further-$* --data $(S)/scenes/styles --start $(S)/detector --recipe scenes-further \
	  $(SAMPLE_FURTHER) $(TRAIN_FLAGS) --seed $$(($(SAMPLE_SEED) + $*))
	$(done)

$(S)/seeing/config.json: | $(FURTHER:%=$(S)/done/further-%)
	$(MINIVLM) checkpoint average $(FURTHER:%=$(S)/further-%) $(@D) --share 0.5

$(S)/done/seeing: | $(S)/seeing/config.json
	$(MINIVLM) evaluate detection --data $(S)/scenes/val --checkpoint $(S)/seeing --output $(S)/scores/seeing-val --resume
	$(done)

# Language

$(S)/start/config.json: | $(S)/done/seeing
	$(MINIVLM) checkpoint import $(@D) --model minivlm-sample --detector $(S)/seeing --seed $(SAMPLE_SEED)

$(S)/done/features: | $(S)/start/config.json $(S)/scenes/language/about.json
	$(MINIVLM) train features $(S)/features --data $(S)/scenes/language --checkpoint $(S)/start \
	  --processes $(SAMPLE_PROCESSES)
	$(done)

$(S)/done/pretrain: | $(S)/done/features
	$(MINIVLM) train pretrain $(S)/pretrain --data $(S)/scenes/language --features $(S)/features --start $(S)/start \
	  --recipe $(SAMPLE_LANGUAGE_RECIPE) --tags both $(SAMPLE_PRETRAIN) $(TRAIN_FLAGS)
	$(done)

$(S)/done/tasks: | $(S)/done/pretrain
	$(MINIVLM) train tasks $(S)/tasks --data $(S)/scenes/language --features $(S)/features --start $(S)/pretrain \
	  --recipe $(SAMPLE_LANGUAGE_RECIPE) --answers $(S)/scenes/language/answers.txt $(SAMPLE_TASKS) $(TRAIN_FLAGS)
	$(done)

$(S)/done/critic-features: | $(S)/done/tasks $(S)/scenes/critic/about.json
	$(MINIVLM) train features $(S)/features --data $(S)/scenes/critic --checkpoint $(S)/tasks --processes $(SAMPLE_PROCESSES)
	$(done)

$(S)/done/critic: START = tasks
$(S)/done/critic: REWARD = truthful
$(S)/done/critic: | $(S)/done/critic-features
$(S)/done/surer: START = critic
$(S)/done/surer: REWARD = surer
$(S)/done/surer: | $(S)/done/critic
$(S)/done/critic $(S)/done/surer: $(S)/done/%:
	$(MINIVLM) train tasks $(S)/$* --data $(S)/scenes/critic --features $(S)/features --start $(S)/$(START) \
	  --recipe $(REWARD) $(SAMPLE_CRITIC) $(TRAIN_FLAGS)
	$(done)

# What is shipped: half the bytes, and scores of those

# Some of the way to captions that are true and trivial.
$(S)/mean/config.json: | $(S)/done/surer
	$(MINIVLM) checkpoint average $(S)/critic $(S)/surer $(@D) --share 0.3

$(S)/model/config.json: | $(S)/mean/config.json
	$(MINIVLM) checkpoint halve $(S)/mean $(@D)

# Of a checkpoint, $(1), on the scenes of a split, $(2), into a folder, $(3): the detector looks once for all tasks.
define scored
	$(MINIVLM) evaluate detection --data $(S)/scenes/$(2) --checkpoint $(1) --features $(S)/regions --all-names \
	  --output $(3) --resume
	for task in caption vqa nlvr2; do \
	  $(MINIVLM) evaluate $$task --data $(S)/scenes/$(2) --checkpoint $(1) --features $(S)/regions \
	    --output $(3) --resume || exit; done
	$(MINIVLM) evaluate retrieval --data $(S)/scenes/$(2) --checkpoint $(1) --features $(S)/regions \
	  --limit $(SAMPLE_SEARCHED) --output $(3) --resume
endef

$(S)/done/scores-test $(S)/done/scores-unseen-style: $(S)/done/scores-%: | $(S)/model/config.json $(S)/scenes/%/about.json
	$(call scored,$(S)/model,$*,$(S)/scores/$*)
	$(done)

sample-scores: | $(S)/scenes/test/about.json $(S)/scenes/unseen-style/about.json  ## score the sample that comes along once more
	$(call scored,sample,test,results/sample/test)
	$(call scored,sample,unseen-style,results/sample/unseen-style)

$(S)/model/MODEL_CARD.md: $(S)/model/config.json $(S)/done/scores-test $(S)/done/scores-unseen-style
	$(MINIVLM) checkpoint card $(@D) --runs $(S)/detector $(FURTHER:%=$(S)/further-%) $(S)/pretrain $(S)/tasks $(S)/critic $(S)/surer \
	  $(call card_flags,train styles language critic) \
	  --scores test=$(S)/scores/test unseen-style=$(S)/scores/unseen-style $(if $(SAMPLE_BLIND),--blind $(SAMPLE_BLIND))

$(ASSETS)/sample/MODEL_CARD.md: $(S)/model/MODEL_CARD.md
	$(call ship,$(S)/model,$(ASSETS)/sample)

# The second detector alone

$(S)/lite/config.json: | $(S)/done/lite-detector
	$(MINIVLM) checkpoint halve $(S)/lite-detector $(@D)

$(S)/done/lite-scores-test $(S)/done/lite-scores-unseen-style: $(S)/done/lite-scores-%: | $(S)/lite/config.json $(S)/scenes/%/about.json
	$(MINIVLM) evaluate detection --data $(S)/scenes/$* --checkpoint $(S)/lite --all-names \
	  --output $(S)/scores/lite-$* --resume
	$(done)

$(S)/lite/MODEL_CARD.md: $(S)/lite/config.json $(S)/done/lite-scores-test $(S)/done/lite-scores-unseen-style
	$(MINIVLM) checkpoint card $(@D) --runs $(S)/lite-detector $(call card_flags,train) \
	  --scores test=$(S)/scores/lite-test unseen-style=$(S)/scores/lite-unseen-style

$(ASSETS)/sample-lite/MODEL_CARD.md: $(S)/lite/MODEL_CARD.md
	$(call ship,$(S)/lite,$(ASSETS)/sample-lite)

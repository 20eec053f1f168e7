"""What the transformer was and can be trained with: the paper's stages, and those of a small world on a CPU.

Of the paper is pre-training's optimizer, batch, rate, decay and length (section 4.1). It gives none of these for
fine-tuning and says that it follows Oscar (section 4.4): the numbers are those of the commands that Oscar published for
its base model (microsoft/Oscar `MODEL_ZOO.md`), with the batch over all GPUs that they name. What neither says are the
defaults of `oscar/run_*.py`: no warm-up, linear decay to 0, gradients clipped at 1, betas .9 and .999.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from minivlm.errors import UserError
from minivlm.training.optimization import AdamW, Optimization


@dataclass(frozen=True, kw_only=True)
class LanguageRecipe:
    """One training of the transformer.

    Attributes:
        optimization: How weights move.
        captions: How captions are asked for, see `minivlm.training.language.captioning`: as Oscar does, or every token.
        shares: Of a training on all tasks: task -> its share of the steps.
        weights: Likewise: task -> what its loss counts.
        dropout: Share of numbers that training zeroes, wherever the model does; None takes the model's own shares.
        truth: Of self-critical training: what a caption that is true of its scene is rewarded with beside its CIDEr,
            which goes up to 10. Of pictures whose scenes are not known, nothing is said to be true.
        samples: Likewise: captions drawn for a picture, see `minivlm.training.language.self_critical.Critic`.
    """

    optimization: Optimization
    captions: Literal["masked", "whole"] = "masked"
    shares: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    dropout: float | None = None
    truth: float = 0.0
    samples: int = 1


PRETRAINING = LanguageRecipe(
    optimization=Optimization(
        optimizer=AdamW(betas=(0.9, 0.999)),
        learning_rate=4e-4,
        weight_decay=0.05,
        batch=2048,
        epochs=100,
        warmup=0,
        warmup_start=0.0,
        final=0.0,
        decay="linear",
        clip=1.0,
    )
)
"""Section 4.1; weight decay is Oscar's."""


def _as_oscar(rate: float, batch: int, epochs: int, warmup: int = 0) -> LanguageRecipe:
    optimization = replace(PRETRAINING.optimization, learning_rate=rate, batch=batch, epochs=epochs, warmup=warmup)
    return LanguageRecipe(optimization=optimization)


PAPER: Mapping[str, LanguageRecipe] = MappingProxyType(
    {
        "pretrain": PRETRAINING,
        "caption": _as_oscar(3e-5, 64 * 4, 30),
        "cider": _as_oscar(5e-6, 16 * 4, 5),
        "vqa": _as_oscar(5e-5, 32, 25),
        "nlvr2": _as_oscar(3e-5, 72, 20, warmup=10_000),
        "retrieval": _as_oscar(2e-5, 64 * 4, 20),
    }
)
"""Task -> recipe. VQA's dropout of .3 is the model's; weight decay is .05 in all, where Oscar says one."""

_SMALL = Optimization(
    optimizer=AdamW(betas=(0.9, 0.98)),
    learning_rate=5e-4,
    weight_decay=0.01,
    batch=32,
    epochs=2,
    warmup=500,
    warmup_start=0.0,
    final=0.02,
    clip=1.0,
    mixed=True,
)


def _small(rate: float, epochs: int, warmup: int = 100) -> LanguageRecipe:
    return LanguageRecipe(
        optimization=replace(_SMALL, learning_rate=rate, epochs=epochs, warmup=warmup), captions="whole", dropout=0.0
    )


SMALL_WORLD: Mapping[str, LanguageRecipe] = MappingProxyType(
    {
        "pretrain": _small(5e-4, 1, warmup=500),
        "caption": _small(2e-4, 4),
        "cider": replace(_small(2e-5, 1), optimization=replace(_SMALL, learning_rate=2e-5, epochs=1, mixed=False)),
        "vqa": _small(2e-4, 2),
        "nlvr2": _small(2e-4, 4),
        "retrieval": _small(2e-4, 1),
        "tasks": replace(
            _small(4e-4, 1, warmup=100),
            shares={"caption": 0.15, "vqa": 0.5, "nlvr2": 0.2, "retrieval": 0.15},
            weights={"caption": 1.0, "vqa": 0.5, "nlvr2": 1.0, "retrieval": 1.0},
        ),
    }
)
"""For made-up scenes and a transformer of 6 layers of 256; docs/training-language.md says what was measured.

Without dropout: its random numbers are a quarter of a step on a CPU, and no example is shown often.
"""


def _large(recipe: LanguageRecipe, rate: float, epochs: int) -> LanguageRecipe:
    how = replace(recipe.optimization, learning_rate=rate, batch=256, epochs=epochs, warmup=300)
    return replace(recipe, optimization=how)


SMALL_WORLD_LARGE: Mapping[str, LanguageRecipe] = MappingProxyType(
    {
        "pretrain": _large(SMALL_WORLD["pretrain"], 1e-3, 3),
        "tasks": _large(SMALL_WORLD["tasks"], 6e-4, 5),
    }
)
"""The same on an accelerator, with batches that keep one busy."""

TRUTHFUL: Mapping[str, LanguageRecipe] = MappingProxyType(
    {
        "tasks": replace(
            _small(1e-4, 1, warmup=30),
            shares={"cider": 0.4, "vqa": 0.4, "nlvr2": 0.1, "retrieval": 0.05, "caption": 0.05},
            weights={"cider": 2.0, "vqa": 0.5, "nlvr2": 1.0, "retrieval": 1.0, "caption": 1.0},
            truth=2.0,
            samples=5,
        ),
        "cider": replace(_small(1e-4, 1, warmup=30), truth=2.0, samples=5),
    }
)
"""After `tasks`: what is written becomes what is true, while the other tasks are not forgotten.

The likeliest beginning of a caption is one that many captions share, "there are as many ...", and what follows it is
hardest to be right about: of 300 greedy captions 236 compared numbers, and 55 of the 77 false ones were among them.
"""

SURER: Mapping[str, LanguageRecipe] = MappingProxyType(
    {
        "tasks": replace(
            TRUTHFUL["tasks"],
            shares={"cider": 0.5, "vqa": 0.3, "nlvr2": 0.1, "retrieval": 0.05, "caption": 0.05},
            truth=4.0,
        ),
    }
)
"""After `truthful`: comparisons give way to what is surer. Weights 0.3 of the way there are kept."""

EASY_VQA: Mapping[str, LanguageRecipe] = MappingProxyType({"vqa": _small(4e-4, 2, warmup=200)})
"""For easy-VQA: 38,575 short questions with 13 answers."""

RECIPES: Mapping[str, Mapping[str, LanguageRecipe]] = MappingProxyType(
    {
        "paper": PAPER,
        "small-world": SMALL_WORLD,
        "small-world-large": SMALL_WORLD_LARGE,
        "truthful": TRUTHFUL,
        "surer": SURER,
        "easy-vqa": EASY_VQA,
    }
)


def language_recipe(world: str, task: str) -> LanguageRecipe:
    """Return a recipe.

    Args:
        world: A key of `RECIPES`.
        task: Of `minivlm.training.language.tasks`.

    Raises:
        UserError: There is none for this task.
    """
    if task not in RECIPES[world]:
        has = next(name for name, recipes in RECIPES.items() if task in recipes)
        raise UserError(f"the recipe {world!r} has no stage {task!r}: give --recipe {has}")
    return RECIPES[world][task]

"""What the folder of a training says about it, for people."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minivlm.datasets.json_data import read_json_lines
from minivlm.datasets.report import Findings
from minivlm.errors import UserError
from minivlm.storage.files import exists
from minivlm.storage.json_files import read_object
from minivlm.training.progress import duration
from minivlm.training.run_folder import LOG, RUN

WAY_OUT = "give the folder of a minivlm train, with its run.json and log.jsonl"


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training.

    Attributes:
        folder: Its name.
        stage: What learnt, such as "tee-sample" or "pretrain".
        recipe: Its name.
        steps: Taken, and of how many.
        planned: Of how many.
        batch: Examples a step.
        seed: Of all chance.
        optimizer: With rate, schedule and precision.
        pictures: Sides in pixels, of a detector.
        backbone: That it began with; None where it began with something else.
        tags: Who named what is in the pictures; None where nobody had to.
        time: In words, pauses not counted.
        loss: Mean of the last hundredth of the steps.
    """

    folder: str
    stage: str
    recipe: str
    steps: int
    planned: int
    batch: int
    seed: int
    optimizer: str
    pictures: str | None
    backbone: str | None
    tags: str | None
    time: str
    loss: float


def read_training(folder: Path) -> Training:
    """Read a folder.

    Raises:
        UserError: It is none of a training, or no step was taken.
    """
    for name in (RUN, LOG):
        if not exists(folder / name):
            raise UserError(f"{folder} has no {name}: {WAY_OUT}")
    said = read_object(folder / RUN, "what a training was told", WAY_OUT)
    lines = [line for _, line in read_json_lines(folder / LOG, "the log of a training", WAY_OUT, Findings())]
    if not lines:
        raise UserError(f"{folder / LOG} has no step: train first")
    try:
        recipe, how = said["recipe"], said["recipe"]["optimization"]
        last = lines[-max(1, len(lines) // 100) :]
        return Training(
            folder=folder.name,
            stage=said["stage"],
            recipe=recipe["name"],
            steps=lines[-1]["step"],
            planned=said["steps"],
            batch=said["batch"],
            seed=said["seed"],
            optimizer=_optimizer(how),
            pictures=_sides(recipe.get("sides")),
            backbone=said.get("backbone"),
            tags=said.get("tags"),
            time=duration(lines[-1]["seconds"]),
            loss=sum(line["losses"]["total"] for line in last) / len(last),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder} is not as this version writes it ({error!r}): {WAY_OUT}") from None


def _optimizer(how: dict[str, Any]) -> str:
    name = "AdamW" if "betas" in how["optimizer"] else "SGD"
    end = f" to {100 * how['final']:g} %" if how.get("final") else ""
    number = "bfloat16" if how["mixed"] else "float32"
    return f"{name}, {how['learning_rate']:g}, {how['decay']}{end}, weight decay {how['weight_decay']:g}, {number}"


def _sides(phases: list[dict[str, Any]] | None) -> str | None:
    if not phases:
        return None
    return ", then ".join(" and ".join(str(side) for side in phase["sides"]) for phase in phases)

"""The folder of a training, from which it can go on after whatever has happened.

run.json        what is trained, how, and on what: a run that goes on must have the same
state.pt        weights, their average, the optimizer's memory and the step: all at one moment
log.jsonl       a line for every step
curves.png      the losses
and, beside them, the checkpoint as `minivlm.weights.checkpoint` describes it, of the same moment as state.pt
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from minivlm.datasets.json_data import read_json_lines
from minivlm.datasets.report import Findings
from minivlm.errors import UserError
from minivlm.storage.files import exists, replacing, write_text
from minivlm.storage.folders import check_new
from minivlm.storage.json_files import read_object
from minivlm.storage.json_text import json_text
from minivlm.storage.lines import append_line

FORMAT = 1
"""Changes when a state holds something else."""
RUN, STATE, LOG, CURVES = "run.json", "state.pt", "log.jsonl", "curves.png"

WAY_OUT = "name a new folder, and train from the beginning"


@dataclass(frozen=True, kw_only=True)
class State:
    """A training between two steps.

    Attributes:
        step: How many were taken.
        seconds: What they took.
        model: State dict.
        optimizer: State dict.
        average: State dict of the averaged weights; None where there is no average.
    """

    step: int
    seconds: float
    model: dict[str, Any]
    optimizer: dict[str, Any]
    average: dict[str, Any] | None


@dataclass
class RunFolder:
    """A folder that was opened by `open_run`.

    Attributes:
        path: Of the folder.
        log: Lines so far, by the step that each ends, in order.
    """

    path: Path
    log: list[dict[str, Any]] = field(default_factory=list)

    def write_line(self, line: dict[str, Any]) -> None:
        """Add a step to the log.

        Raises:
            UserError: The disk does not take it.
        """
        path = self.path / LOG
        try:
            append_line(path, json_text(line, indent=None))
        except OSError as error:
            raise UserError(
                f"cannot write {path}: {error.strerror or error}; free space and go on with --resume"
            ) from None
        self.log.append(line)

    def write_state(self, state: State) -> None:
        """Keep a state in place of the last one.

        Raises:
            UserError: The disk does not take it; the last one is still there.
        """
        path = self.path / STATE
        with replacing(path) as partial:
            try:
                torch.save({"format": FORMAT, **vars(state)}, partial)
            except RuntimeError:  # what torch makes of a full disk; it counts bytes and finds too few
                raise UserError(
                    f"cannot write {path}: the disk did not take all of it; free space and go on with --resume"
                ) from None

    def read_state(self) -> State | None:
        """Return the state to go on from; None where the training has none yet.

        Raises:
            UserError: It cannot be read.
        """
        state = _read_state(self.path / STATE)
        step = 0 if state is None else state.step
        kept = [line for line in self.log if line["step"] <= step]
        if [line["step"] for line in kept] != list(range(1, step + 1)):
            raise UserError(f"{self.path / LOG} lacks steps before {step}, where the state is: {WAY_OUT}")
        return state

    def cut_log(self, step: int) -> None:
        """Write the log anew without what came after a step."""
        self.log = [line for line in self.log if line["step"] <= step]
        write_text(self.path / LOG, "".join(f"{json_text(line, indent=None)}\n" for line in self.log))


def open_run(path: Path, about: Mapping[str, Any], *, resume: bool, leads: bool = True) -> RunFolder:
    """Begin a folder, or go on with one.

    Args:
        path: New or empty; or, with `resume`, of a run of the same `about`.
        about: What the run depends on, as JSON holds it.
        resume: Go on with a run that is there.
        leads: Whether this process is the one that writes.

    Raises:
        UserError: The folder is in use, `resume` is not given, or the run there was another one.
    """
    whole = {"format": FORMAT, **json.loads(json_text(about))}
    begun = exists(path / RUN)
    if begun and not resume:
        raise UserError(f"{path} holds a training: go on with it by --resume, or name another folder")
    if begun:
        _check_same(path, read_object(path / RUN, "what a training was told", WAY_OUT), whole)
        for left in path.glob(".*.partial") if leads else ():  # of a process that was killed
            left.unlink(missing_ok=True)
        return RunFolder(path, _read_log(path / LOG))
    check_new(path, "the training")
    if leads:
        write_text(path / RUN, f"{json_text(whole)}\n")
    return RunFolder(path)


def _check_same(path: Path, said: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    before, after = dict(_flat(said)), dict(_flat(now))
    for key in (*after, *before):
        if before.get(key) != after.get(key):
            old, new = (json.dumps(one.get(key))[:60] for one in (before, after))
            raise UserError(
                f"cannot go on with {path}: its {key} is {old}, and now it is {new}; give the same arguments, or name"
                " another folder"
            )


def _flat(value: Mapping[str, Any], where: str = "") -> list[tuple[str, Any]]:
    """Return what nested objects hold, by their keys with dots between them."""
    found: list[tuple[str, Any]] = []
    for key, item in value.items():
        found += _flat(item, f"{where}{key}.") if isinstance(item, Mapping) else [(f"{where}{key}", item)]
    return found


def _read_log(path: Path) -> list[dict[str, Any]]:
    if not exists(path):
        return []
    lines = [line for _, line in read_json_lines(path, "the log of a training", WAY_OUT, Findings())]
    if not all(type(line.get("step")) is int and isinstance(line.get("losses"), dict) for line in lines):
        raise UserError(f"{path} is not the log of a training, as a line has no step or losses: {WAY_OUT}")
    return lines


def _read_state(path: Path) -> State | None:
    if not exists(path):
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content.pop("format") != FORMAT:
            raise UserError(f"{path} is of another version: {WAY_OUT}")
        return State(**content)
    except UserError:
        raise
    except Exception as error:  # torch raises many kinds, by what is broken
        reason = (str(error).splitlines() or [""])[0][:100]
        raise UserError(f"{path} cannot be read ({type(error).__name__}: {reason}): {WAY_OUT}") from None

"""The trainer of every stage: steps over Hugging Face accelerate, saved so that they can go on after anything.

A step depends on the state before it, its number, the seed and the number of processes, and on nothing else: a
training that was interrupted, killed even, and resumed gives the same weights as one that was not.
"""

import math
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from minivlm.console import Steps
from minivlm.errors import UserError, printable
from minivlm.training.averaging import averaged, in_place_of
from minivlm.training.curves import draw_curves
from minivlm.training.engine import Engine, start_engine
from minivlm.training.interrupts import Asked, listening
from minivlm.training.optimization import build_optimizer, share_of_rate
from minivlm.training.order import Batches, Chance, Course, Share, each_batch, generator_of, seed_of
from minivlm.training.progress import Progress
from minivlm.training.run_folder import CURVES, RunFolder, State, open_run
from minivlm.training.stage import TOTAL, Stage
from minivlm.training.watch import Watches

EVERY = 30.0
"""Seconds between lines of progress where there is no terminal."""

_ASKED = "asked to end"


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What is told to the trainer and is no part of the recipe.

    Attributes:
        folder: Where the training is kept and the checkpoint written; see `minivlm.training.run_folder`.
        seed: Of all chance.
        workers: Processes that make batches; 0 makes them between steps.
        save_every_minutes: How often the state is saved.
        steps: How many to take; None takes the recipe's epochs.
        resume: Go on with what is in the folder, if anything is.
        device: Such as "cpu"; None takes what accelerate finds best.
    """

    folder: Path
    seed: int = 0
    workers: int = 0
    save_every_minutes: float = 5.0
    steps: int | None = None
    resume: bool = False
    device: str | None = None


def train(stage: Stage, options: TrainOptions, about: Mapping[str, Any], console: Steps | None = None) -> int:
    """Train a stage to its end, and write its checkpoint.

    Args:
        stage: What to train.
        options: How to run.
        about: What else the training depends on, as JSON holds it: one that goes on must have the same.
        console: Where progress is shown.

    Returns:
        Steps of the whole training, those before it was resumed included.

    Raises:
        UserError: There are no examples, the folder holds another training or cannot be written, data cannot be used,
            or the training went wrong; the last good state is kept.
        KeyboardInterrupt: Somebody asked the process to end; the state is saved.
    """
    count, optimization = len(stage.examples), stage.optimization
    if count == 0:
        raise UserError(f"there is nothing to train {stage.name} on: give data with at least one usable example")
    steps = -(-optimization.epochs * count // optimization.batch) if options.steps is None else options.steps
    course = Course(seed=options.seed, examples=count, batch=optimization.batch, steps=steps)
    engine = start_engine(optimization.accumulate, options.device)
    share = Share(process=engine.process, processes=engine.processes, parts=optimization.accumulate)
    batches = Batches(stage.examples, course, share)
    told = {"stage": stage.name, "steps": steps, "batch": course.batch, "seed": options.seed, **about}
    folder, state = _open(engine, options, told)
    training = _Training(stage, course, engine, folder, state)
    console = console or Steps()
    made = _telling_faults(each_batch(batches, training.step * share.parts, options.workers), console)
    with listening() as asked, console.telling(f"train {stage.name}", every=EVERY) as tell:
        progress = Progress(steps, tell if engine.leads else _nothing)
        saved_at = time.monotonic()
        while training.step < steps and not asked.number:
            line = training.take_step(made, asked)
            progress.step(training.step, line["losses"][TOTAL], course.batch)
            if time.monotonic() - saved_at >= 60.0 * options.save_every_minutes:
                training.save()
                saved_at = time.monotonic()
        training.save()
    if asked.number and training.step < steps:
        if engine.leads:
            console.say(f"stopped after step {training.saved:,} of {steps:,}, saved: the same with --resume goes on")
        asked.end()
    return steps


def _nothing(text: str) -> None:
    pass


def _telling_faults(batches: Iterator[Any], console: Steps) -> Iterator[Any]:
    """Yield batches, and say once of each example that another is shown instead of it."""
    told: set[str] = set()
    for batch in batches:
        for fault in getattr(batch, "faults", ()):
            if fault not in told:
                told.add(fault)
                console.say(f"another example is shown instead: {printable(fault)}")
        yield batch


def _open(engine: Engine, options: TrainOptions, told: Mapping[str, Any]) -> tuple[RunFolder, State | None]:
    """Open the folder: first the process that writes there, then the others, who find it in order."""
    opened = None
    if engine.leads:
        folder = open_run(options.folder, told, resume=options.resume)
        opened = folder, folder.read_state()
        folder.cut_log(0 if opened[1] is None else opened[1].step)
    engine.wait()
    if opened is None:
        folder = open_run(options.folder, told, resume=True, leads=False)
        opened = folder, folder.read_state()
    return opened


class _Losses(nn.Module):
    """The losses of a stage as a module, which is what accelerate wraps."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.model = stage.model
        self._stage = stage

    def forward(self, batch: Any, generator: torch.Generator, device: str) -> dict[str, Tensor]:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self._stage.optimization.mixed):
            return dict(self._stage.losses(batch, generator))


class _Training:
    """A stage on its way.

    Attributes:
        step: Steps taken.
        saved: Steps taken when the state was last saved.
    """

    def __init__(self, stage: Stage, course: Course, engine: Engine, folder: RunFolder, state: State | None) -> None:
        self._stage, self._course, self._engine, self._folder = stage, course, engine, folder
        stage.model.to(engine.device)
        optimizer = build_optimizer(stage.optimization, stage.prepare())
        self._rates = [group["lr"] for group in optimizer.param_groups]
        self._average = averaged(stage.model, stage.optimization.ema) if stage.optimization.ema else None
        self.step = 0
        self._before = 0.0
        if state is not None:
            stage.model.load_state_dict(state.model)
            optimizer.load_state_dict(state.optimizer)
            if self._average is not None and state.average is not None:
                self._average.load_state_dict(state.average)
            self.step, self._before = state.step, state.seconds
        self.saved = self.step
        self._watch = Watches()
        for line in folder.log:
            self._watch.see(line["losses"])
        self._module = engine.wrap(_Losses(stage))
        self._optimizer = engine.accelerator.prepare_optimizer(optimizer)
        self._parameters = [value for value in stage.model.parameters() if value.requires_grad]
        self._since = time.perf_counter()

    def take_step(self, made: Iterator[Any], asked: Asked) -> dict[str, Any]:
        """Take one step.

        Args:
            made: Gives the batches.
            asked: Becomes true here where another process was asked to end.

        Returns:
            The step's line of the log.

        Raises:
            UserError: The loss or its gradient is no number, or losses have been far too high for long.
        """
        start, how = time.perf_counter(), self._stage.optimization
        share = share_of_rate(how, self.step, self._course.steps)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * share
        losses, length = self._gradients(made, asked)
        self._check(losses[TOTAL], length)
        self._optimizer.step()
        self._optimizer.zero_grad()
        if self._average is not None:
            self._average.update_parameters(self._stage.model)
        self.step += 1
        now = time.perf_counter()
        line = {
            "step": self.step,
            "losses": losses,
            "gradient": length,
            "learning_rate": how.learning_rate * share,
            "examples_per_second": self._course.batch / (now - start),
            "seconds": self._before + now - self._since,
        }
        self._watch.see(losses)
        if self._engine.leads:
            self._folder.write_line(line)
        if self._watch.diverged:
            raise UserError(
                f"the training diverged: {self._watch.told}; {self._kept}; give a --learning-rate below"
                f" {how.learning_rate:g}, or look at the data"
            )
        return line

    def _gradients(self, made: Iterator[Any], asked: Asked) -> tuple[dict[str, float], float]:
        """Return the losses of the next batch and the length of their gradient, which the parameters then hold."""
        seed, process, engine = self._course.seed, self._engine.process, self._engine
        generator = generator_of(Chance.STEP, seed, self.step, process)
        sums: dict[str, Tensor] = {}
        for part in range(engine.parts):
            batch = next(made).to(engine.device)
            torch.manual_seed(seed_of(Chance.STEP, seed, self.step, process, part))  # of dropout
            with engine.accelerator.accumulate(self._module):
                losses = self._module(batch, generator, engine.device.type)
                engine.accelerator.backward(losses[TOTAL])
            for name, value in losses.items():
                sums[name] = sums.get(name, torch.zeros((), device=engine.device)) + value.detach() / engine.parts
        length = nn.utils.clip_grad_norm_(self._parameters, self._stage.optimization.clip)
        sums[_ASKED] = torch.tensor(float(asked.number > 0), device=engine.device)
        means = dict(zip(sums, engine.mean(torch.stack(list(sums.values()))).tolist(), strict=True))
        if means.pop(_ASKED) > 0.0:  # all processes stop after the same step
            asked.number = asked.number or signal.SIGINT
        return means, length.item()

    def _check(self, loss: float, length: float) -> None:
        if not (math.isfinite(loss) and math.isfinite(length)):
            raise UserError(
                f"loss {loss} with a gradient of length {length} at step {self.step + 1}: both must be finite;"
                f" {self._kept}; give a --learning-rate below {self._stage.optimization.learning_rate:g}, or look"
                " for data that is not"
            )

    @property
    def _kept(self) -> str:
        return f"the state of step {self.saved} is kept" if self.saved else "no state was kept"

    def save(self) -> None:
        """Keep the state and the checkpoint, unless the last losses say that they are none to keep.

        Raises:
            UserError: They cannot be written; the last ones are still there.
        """
        if self.saved == self.step or self._watch.suspicious:
            return
        if not self._engine.leads:
            self.saved = self.step
            return
        state = State(
            step=self.step,
            seconds=self._before + time.perf_counter() - self._since,
            model=self._stage.model.state_dict(),
            optimizer=self._optimizer.state_dict(),
            average=None if self._average is None else self._average.state_dict(),
        )
        self._folder.write_state(state)
        with in_place_of(self._stage.model, None if self._average is None else self._average.module):
            self._stage.save(self._folder.path)
        draw_curves(self._folder.path / CURVES, self._folder.log, self._stage.name)
        self.saved = self.step

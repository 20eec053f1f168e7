"""This machine: every measurement and every export in a process of its own."""

import json
import resource
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.devices import Work
from bench.devices.artifacts import Artifacts
from bench.devices.failures import failed_record
from bench.machine.environment import available_cores, environment
from bench.machine.interference import interference_between, snapshot
from bench.measure.places import places_for
from bench.measure.plan import Plan, runtimes_for
from bench.measure.task import Task
from bench.records.orders import SEQUENCE
from bench.records.record import Case, Failure, MachineRates, Record
from bench.records.runtimes import PYTORCH_RUNTIMES
from bench.workers.process import Answer, ask, ask_in_turns
from export.core.acceleration import CPU
from export.core.formats import FORMATS, family_of
from minivlm.console import Steps
from minivlm.errors import UserError

RATES = (sys.executable, "-m", "bench.machine.rates_worker")


class ThisMachine:
    """Implements `bench.devices.Device`."""

    def __init__(self, plan: Plan, steps: Steps) -> None:
        self._plan = plan
        self._steps = steps
        self._artifacts = Artifacts(plan, steps)
        self._rates: dict[tuple[int, int], MachineRates | None] = {}
        self._left: Sequence[tuple[int, Case]] = []
        self._records: dict[tuple[int, Case], Record] = {}

    def cases(self) -> list[Case]:
        """See `Device`; baselines have no artifacts, PyTorch has one precision, and formats do not take them all."""
        plan = self._plan
        found = [
            Case("cpu", model, runtime, precision, threads, accelerator=place)
            for model in plan.models
            for precision in plan.precisions
            for runtime in runtimes_for(plan, model, precision)
            if precision in precisions_of(model, runtime)
            for place in places_for(plan, runtime, precision)
            for threads in plan.threads
        ]
        if not found:
            models, precisions = ", ".join(plan.models), ", ".join(plan.precisions)
            runtimes = ", ".join(plan.runtimes or ["no runtime"])
            raise UserError(
                f"nothing to measure: {runtimes} cannot run {models} in {precisions}; "
                "PyTorch runs every model in fp32, and export/*.py --help shows what artifacts hold"
            )
        return found

    def cores(self) -> int | None:
        """See `Device`."""
        return available_cores()

    def prepare(self, work: Work) -> None:
        """See `Device`: artifacts that are missing are exported."""
        self._say_what_is_left_out()
        self._artifacts.export_missing(case for _, case in work.tasks)
        self._left = work.tasks

    def measure(self, case: Case, run: str, number: int) -> Record:
        """See `Device`; cases that take turns are all measured when the first of them is asked for."""
        if (number, case) not in self._records:
            together = [case] if self._plan.order == SEQUENCE else self._taking_turns(case, number)
            self._records |= {(number, each): record for each, record in self._measure(together, run, number).items()}
        return self._records.pop((number, case))

    def _taking_turns(self, case: Case, number: int) -> list[Case]:
        """Return what takes turns with a case, itself included: what is left of a round with as many threads."""
        return [each for left, each in self._left if left == number and each.threads == case.threads]

    def _measure(self, cases: Sequence[Case], run: str, number: int) -> dict[Case, Record]:
        """Measure cases of one number of threads: one alone, several in turns."""
        paths = {case: self._artifacts.path(case) for case in cases}
        ready = [case for case, path in paths.items() if path not in self._artifacts.failures]
        found = {
            case: self._failed(case, run, number, self._artifacts.failures[path])
            for case, path in paths.items()
            if path in self._artifacts.failures
        }
        if not ready:
            return found
        rates = self._machine_rates(number, ready[0].threads)
        asked = partial(Task, plan=self._plan, run=run, round=number, turns=len(ready))
        tasks = [asked(case=case, artifact=paths[case]) for case in ready]
        answers, disturbed = self._answers([task.to_json() for task in tasks])
        for case, answer in zip(ready, answers, strict=True):
            found[case] = self._record(case, run, number, answer)
            if found[case].ok:
                together = [*found[case].disturbed, *disturbed]
                found[case] = replace(found[case], machine=rates, disturbed=together)
        return found

    def _answers(self, questions: Sequence[str]) -> tuple[list[Answer], list[str]]:
        """Return what processes answer, and what the machine did beside several: one judges that by itself."""
        if len(questions) == 1:
            return [ask(questions[0], self._plan.timeout)], []
        before = replace(snapshot(resource.RUSAGE_CHILDREN), frequency=None)  # the clock of a machine at rest
        with self._steps.step(f"{len(questions)} processes take turns"):
            answers = ask_in_turns(questions, self._plan.timeout)
        return answers, interference_between(before, snapshot(resource.RUSAGE_CHILDREN))

    def _record(self, case: Case, run: str, number: int, answer: Answer) -> Record:
        if answer.failure is not None:
            return self._failed(case, run, number, answer.failure)
        try:
            return Record.from_json(answer.line)
        except ValueError as error:
            return self._failed(case, run, number, Failure(0, f"it gave no record: {error}"))

    def finish(self) -> None:
        """See `Device`; there is nothing to put back."""

    def _say_what_is_left_out(self) -> None:
        plan = self._plan
        cases = self.cases()
        found = {(item.model, item.runtime, item.precision) for item in cases}
        for model in plan.models:
            for precision in plan.precisions:
                if not any(key[::2] == (model, precision) for key in found):
                    self._steps.say(f"left out: {model} in {precision}, which no runtime of this run has")
            for runtime in plan.runtimes or []:
                if not any(key[:2] == (model, runtime) for key in found):
                    self._steps.say(
                        f"left out: {model} on {runtime}, which cannot run it in {', '.join(plan.precisions)}"
                    )
        self._say_which_stay_on_the_cpu(cases)

    def _say_which_stay_on_the_cpu(self, cases: Sequence[Case]) -> None:
        """Say of every runtime that has cases which of the accelerators it has not."""
        asked = [name for name in self._plan.accelerators if name != CPU]
        for runtime, precision in dict.fromkeys((case.runtime, case.precision) for case in cases):
            had = {case.accelerator for case in cases if (case.runtime, case.precision) == (runtime, precision)}
            missing = [name for name in asked if name not in had]
            if missing and not (runtime in FORMATS and FORMATS[runtime].units):
                self._steps.say(f"left out: {runtime} in {precision} on {', '.join(missing)}, which it does not run on")

    def _machine_rates(self, number: int, threads: int) -> MachineRates | None:
        """Return the machine's rates with so many threads, measured once a round."""
        key = (number, threads)
        if key not in self._rates:
            asked = {"threads": threads, "affinity": self._plan.affinity}
            answer = ask(json.dumps(asked), self._plan.timeout, RATES)
            self._rates[key] = None if answer.failure else _rates(answer.line)
        return self._rates[key]

    def _failed(self, case: Case, run: str, number: int, failure: Failure) -> Record:
        return failed_record(self._plan, case, run, number, failure, environment())


def _rates(line: str) -> MachineRates | None:
    try:
        return MachineRates(**json.loads(line))
    except (TypeError, ValueError):  # rates that cannot be say no more than rates that are not there
        return None


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def precisions_of(model: str, runtime: str) -> tuple[str, ...]:
    """Return the precisions in which a runtime can have a model."""
    if runtime in PYTORCH_RUNTIMES:
        return ("fp32",)
    try:
        family = family_of(model)
    except UserError:
        return ()  # a baseline
    return FORMATS[runtime].precisions.get(family, ())

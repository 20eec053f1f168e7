"""A phone with the sample app: push, start, watch, pull, verify. The two systems differ by their tool only."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from bench.devices import Work
from bench.devices.adb import Adb
from bench.devices.artifacts import Artifacts
from bench.devices.devicectl import DeviceCtl
from bench.devices.failures import failed_record
from bench.devices.simctl import SimCtl
from bench.devices.transport import Transport
from bench.devices.verification_files import methods_of, misses, read_outputs, write_inputs
from bench.devices.watching import watch
from bench.measure.measuring import describe_artifact, describe_photo, steady_stop
from bench.measure.places import places_for
from bench.measure.plan import Plan, asks_for
from bench.measure.timing import PROFILES
from bench.measure.workloads import artifact_counts
from bench.records.record import Case, Failure, Record
from export.backends.litert.piece_files import pieces_folder, write_pieces
from export.core.formats import FORMATS, family_of
from export.core.methods import Method
from export.core.sidecar import Sidecar, labels_folder, sidecar_path
from export.runtime.program import open_program
from export.verify.tolerances import tolerances_for
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.models.registry import build

ANDROID_RUNTIMES = ("executorch", "litert")
IOS_RUNTIMES = ("executorch", "coreml")


class Phone:
    """Implements `bench.devices.Device` over the sample app.

    Args:
        plan: What to measure.
        steps: Shows what is done.
        transport: The way to the app.
        kind: A key of `bench.devices.DEVICES`.
        runtimes: That the app has.
    """

    def __init__(self, plan: Plan, steps: Steps, transport: Transport, kind: str, runtimes: tuple[str, ...]) -> None:
        self._plan = plan
        self._steps = steps
        self._transport = transport
        self._kind = kind
        self._runtimes = runtimes
        self._artifacts = Artifacts(plan, steps)
        self._methods: dict[Path, list[Method]] = {}
        transport.check()
        self._about = dict(transport.describe())

    def cores(self) -> int | None:
        """See `Device`."""
        return self._about.get("cores")

    def cases(self) -> list[Case]:
        """See `Device`: artifacts of runtimes that the app has."""
        for runtime in self._plan.runtimes or []:
            if runtime not in self._runtimes:
                raise UserError(f"the {self._kind} app has no runtime {runtime}: choose {' or '.join(self._runtimes)}")
        found = [
            Case(self._kind, model, runtime, precision, threads, accelerator=place)
            for model in self._plan.models
            for precision in self._plan.precisions
            for runtime in self._asked()
            if precision in self._precisions(model, runtime)
            for place in places_for(self._plan, runtime, precision)
            for threads in self._plan.threads
        ]
        if not found:
            raise UserError(
                f"nothing to measure: {', '.join(self._plan.models)} in {', '.join(self._plan.precisions)} has no "
                "artifact for phones on what is asked for; name tee-0..3, a transformer or minivlm with --models"
            )
        return found

    def _asked(self) -> Sequence[str]:
        """Return the runtimes to measure; compute units ask for the one that has them."""
        having = [runtime for runtime in self._runtimes if asks_for(self._plan, FORMATS[runtime])]
        return self._plan.runtimes or having or self._runtimes[:1]

    @staticmethod
    def _precisions(model: str, runtime: str) -> tuple[str, ...]:
        try:
            return FORMATS[runtime].precisions.get(family_of(model), ())
        except UserError:
            return ()  # a baseline

    def prepare(self, work: Work) -> None:
        """See `Device`: every artifact goes to the phone with what belongs to it."""
        cases = [case for _, case in work.tasks]
        self._artifacts.export_missing(cases)
        warning = self._transport.hold()
        if warning:
            self._steps.say(warning)
        self._transport.push(self._plan.photo, "inputs")
        for path in dict.fromkeys(map(self._path, cases)):
            if path in self._artifacts.failures:
                continue
            with self._steps.step(f"copy {path.name} to the phone"):
                self._methods[path] = methods_of(path, self._plan.photo)
                self._push(path)
        for path in dict.fromkeys(self._path(case) for case in cases if _is_cut(case)):
            if path not in self._artifacts.failures:
                self._push_pieces(path)

    def measure(self, case: Case, run: str, number: int) -> Record:
        """See `Device`; an app that dies or hangs is a failed record, and a phone that goes away ends the run."""
        path = self._path(case)
        if path in self._artifacts.failures:
            return self._failed(case, run, number, self._artifacts.failures[path])
        verify = number == 0
        self._transport.start(self._arguments(case, path, run, number, verify))
        failure = watch(self._transport, self._plan, self._steps, run, number)
        record = self._pull_record(run, number)
        if failure is not None:
            found = record.error if record is not None and record.error is not None else failure
            return self._failed(case, run, number, found, record)
        if record is None:
            raise UserError("the app finished without a record: update the app, it is of another version")
        missed = self._verify(case, path) if verify else []
        if missed:
            reason = f"the phone computes something else: {'; '.join(missed)}"
            return self._failed(case, run, number, Failure(None, reason), record)
        return self._described(record, case, path)

    def finish(self) -> None:
        """See `Device`; what cannot be put back is said, and hides no other error."""
        try:
            self._transport.release()
        except UserError as error:
            self._steps.say(str(error))

    def _path(self, case: Case) -> Path:
        path = self._artifacts.path(case)
        assert path is not None  # phones run artifacts only
        return path

    def _push(self, path: Path) -> None:
        for source in (path, sidecar_path(path), labels_folder(path)):
            if source.exists():
                self._transport.push(source, "models")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, path.stem)
            write_inputs(self._methods[path], folder)
            self._transport.push(folder, "inputs")

    def _push_pieces(self, path: Path) -> None:
        """Copy what the app runs on an accelerator, which are pieces of the artifact."""
        with tempfile.TemporaryDirectory() as name, self._steps.step(f"cut {path.name}, and copy its pieces"):
            folder = Path(name, pieces_folder(path).name)
            write_pieces(path, folder)
            self._transport.push(folder, "models")

    def _arguments(
        self, case: Case, path: Path, run: str, number: int, verify: bool
    ) -> dict[str, str | int | float | bool]:
        warmup = PROFILES[self._plan.profile].warmup
        steady = steady_stop(PROFILES[self._plan.profile], self._plan.sustained)
        early = {
            f"{prefix}{name}": value
            for prefix, stop in (("warmup_", warmup), ("", steady))
            if math.isfinite(stop.cap)
            for name, value in (("cap", float(stop.cap)), ("least", stop.least))
        }
        long = {} if self._plan.sustained is None else {"sustained": True}
        place = {"accelerator": case.accelerator} if _is_cut(case) else {}
        units = {"compute_units": case.accelerator} if case.accelerator in FORMATS[case.runtime].units else {}
        return {
            **early,
            **long,
            **place,
            **units,
            "artifact": path.name,
            "photo": self._plan.photo.name,
            "run": run,
            "round": number,
            "profile": self._plan.profile,
            "warmup_runs": warmup.runs,
            "warmup_seconds": float(warmup.seconds),
            "runs": steady.runs,
            "seconds": float(steady.seconds),
            "threads": case.threads,
            "cool_down": float(self._plan.cool_down),
            "verify": verify,
        }

    def _pull_record(self, run: str, number: int) -> Record | None:
        content = (self._transport.pull("results/records.jsonl") or b"").decode(errors="replace")
        for line in reversed(content.splitlines()):
            try:
                record = Record.from_json(line)
            except ValueError as error:
                raise UserError(f"the app wrote a record that cannot be read ({error}): update the app") from None
            if (record.run, record.round) == (run, number):
                return record
        return None

    def _described(self, record: Record, case: Case, path: Path) -> Record:
        """Add what the phone does not know about a model, and the app not about the phone."""
        sidecar = Sidecar.read(path)
        with torch.device("meta"):
            module = build(sidecar.config)
        return replace(
            record,
            device=self._kind,
            accelerator=case.accelerator,
            counts=artifact_counts(sidecar, module),
            artifact=describe_artifact(path),
            photo=describe_photo(self._plan.photo),
            environment={**self._about, **record.environment},
        )

    def _verify(self, case: Case, path: Path) -> list[str]:
        given = read_outputs(lambda file: self._transport.pull(f"results/{path.stem}/{file}"))
        tolerances = tolerances_for(Sidecar.read(path), case.accelerator if _is_cut(case) else "")
        return misses(self._methods[path], open_program(path), given, tolerances)

    def _failed(self, case: Case, run: str, number: int, failure: Failure, record: Record | None = None) -> Record:
        """Return a failed record, with what the app wrote of its surroundings if it wrote one."""
        environment = {**self._about, **(record.environment if record is not None else {})}
        return failed_record(self._plan, case, run, number, failure, environment)


class AndroidPhone(Phone):
    """An Android phone behind adb."""

    def __init__(self, plan: Plan, steps: Steps) -> None:
        super().__init__(plan, steps, Adb(plan.phone), "android", ANDROID_RUNTIMES)


class IPhone(Phone):
    """An iPhone behind devicectl."""

    def __init__(self, plan: Plan, steps: Steps) -> None:
        check_threads(plan)
        super().__init__(plan, steps, DeviceCtl(plan.phone, plan.bundle_id), "ios", IOS_RUNTIMES)


class IPhoneSimulator(Phone):
    """The iPhone's app in a simulator of this Mac, whose times say nothing about a phone."""

    def __init__(self, plan: Plan, steps: Steps) -> None:
        check_threads(plan)
        super().__init__(plan, steps, SimCtl(plan.phone, plan.bundle_id), "ios-simulator", IOS_RUNTIMES)


def _is_cut(case: Case) -> bool:
    """Tell whether an accelerator of the artifact's format runs it, for which the app takes it in pieces."""
    return case.accelerator in FORMATS[case.runtime].accelerators


def check_threads(plan: Plan) -> None:
    """Refuse a sweep where nothing can be swept.

    Raises:
        UserError: The plan has several numbers of threads.
    """
    if len(plan.threads) > 1:
        raise UserError(
            f"--threads {','.join(map(str, plan.threads))}: the iPhone's runtimes choose their threads themselves, so "
            "all would be the same; leave it out"
        )

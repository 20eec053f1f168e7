"""Phones that Qualcomm AI Hub hosts: upload once, all jobs at once, collect one after another; docs/phones.md."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bench.devices import Work
from bench.devices.artifacts import Artifacts
from bench.devices.failures import failed_record
from bench.devices.hub_files import Parcel, pack
from bench.devices.hub_jobs import HubJobs, Task
from bench.devices.hub_ledger import Ledger
from bench.devices.hub_profile import read_profile
from bench.devices.hub_service import SERVICE, BusyError, HubService, RefusedError, choose_phones
from bench.devices.verification_files import methods_of, misses
from bench.machine.environment import now
from bench.measure.measuring import describe_artifact, describe_photo
from bench.measure.plan import Plan
from bench.measure.pytorch_runs import shapes
from bench.measure.timing import PROFILES
from bench.measure.workloads import CAPTION_CALLS, artifact_counts
from bench.records.record import Case, Counts, Failure, Record
from export.core.format import Family
from export.core.formats import FORMATS, family_of, require_runtime
from export.core.sidecar import Sidecar
from export.runtime.program import Program, open_program
from export.verify.tolerances import tolerances_for
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.models.registry import build

RUNTIMES = ("litert", "onnx")
RUNS = 100
"""Of a job, the service's own default; a profile that wants more gets more."""


class HostedPhones:
    """Implements `bench.devices.Device` over the service's client.

    One job profiles a method on one phone and runs it on the verification's inputs.
    """

    def __init__(self, plan: Plan, steps: Steps) -> None:
        if plan.sustained is not None:
            raise UserError(f"--sustained: {SERVICE} bounds how long a job runs; leave it out with --device hub")
        self._plan = plan
        self._steps = steps
        self._service = HubService()
        self._phones = choose_phones(plan.phones, self._service.phones())
        self._artifacts = Artifacts(plan, steps)
        self._programs: dict[Path, Program] = {}
        self._sent: dict[tuple[Path, str], tuple[Parcel, tuple[Any, Any]]] = {}
        self._refused: dict[tuple[Path, str], Failure] = {}
        self._jobs: HubJobs

    def cores(self) -> int | None:
        """See `Device`: phones differ, and the service does not tell."""
        return None

    def cases(self) -> list[Case]:
        """See `Device`: of a whole model each method of a caption by itself, where a format keeps them apart."""
        plan = self._plan
        for runtime in plan.runtimes or RUNTIMES:
            if runtime not in RUNTIMES:
                raise UserError(
                    f"{SERVICE} has no runtime {runtime} for these artifacts: choose {' or '.join(RUNTIMES)}"
                )
            require_runtime(FORMATS[runtime])  # which judges the outputs
        found = [
            Case("hub", model, runtime, precision, threads, phone, accelerator, method)
            for model in plan.models
            for precision in plan.precisions
            for runtime in plan.runtimes or RUNTIMES
            for method in _methods(model, runtime, precision)
            for threads in plan.threads
            for accelerator in plan.accelerators
            for phone in self._phones
        ]
        if not found:
            raise UserError(
                f"nothing to measure: {', '.join(plan.models)} in {', '.join(plan.precisions)} has no artifact for "
                "hosted phones; name tee-0..3, a transformer, or a whole model with --runtimes onnx"
            )
        return found

    def prepare(self, work: Work) -> None:
        """See `Device`: what is missing is exported, uploaded once, and all jobs are submitted."""
        self._say_what_is_left_out()
        runs = max(RUNS, PROFILES[self._plan.profile].steady.runs)
        ledger = Ledger(work.folder)
        self._jobs = HubJobs(
            self._service, self._phones, ledger, self._steps, run=work.run, runs=runs, timeout=self._plan.timeout
        )
        self._artifacts.export_missing(case for _, case in work.tasks)
        for path, method in dict.fromkeys((self._path(case), case.method) for _, case in work.tasks):
            if path in self._artifacts.failures:
                self._refused[path, method] = self._artifacts.failures[path]
            else:
                self._send(path, method)
        self._submit_all(work.tasks)

    def measure(self, case: Case, run: str, number: int) -> Record:
        """See `Device`: wait for the case's job, and read and judge what it gave."""
        task, part = (number, case), (self._path(case), case.method)
        if part in self._refused:
            return self._failed(case, run, number, self._refused[part])
        parcel, sent = self._sent[part]
        try:
            self._jobs.submit_when_free(task, parcel, sent)
        except RefusedError as error:
            return self._failed(case, run, number, Failure(None, f"{SERVICE} does not take this job: {error}"))
        job, state = self._jobs.wait(task)
        try:
            if not state.success:
                raise RefusedError(f"it ended as {state.code.lower()}: {state.message or 'no reason is told'}")
            return self._record(task, run, parcel, job)
        except RefusedError as error:
            self._jobs.forget(task, parcel)
            return self._failed(case, run, number, Failure(None, f"job {job.job_id}: {error}"))

    def finish(self) -> None:
        """See `Device`: jobs that run go on, and `--resume` collects them."""

    def _say_what_is_left_out(self) -> None:
        for model in self._plan.models:
            for runtime in self._plan.runtimes or RUNTIMES:
                if runtime == "litert" and _is_whole(model):
                    self._steps.say(
                        f"left out: {model} on litert, whose file has several signatures, and {SERVICE} runs a file's "
                        "first one; onnx is measured method by method"
                    )

    def _path(self, case: Case) -> Path:
        path = self._artifacts.path(case)
        assert path is not None  # hosted phones run artifacts only
        return path

    def _send(self, path: Path, name: str) -> None:
        """Upload one method of an artifact and its inputs; what is refused becomes failed records."""
        with tempfile.TemporaryDirectory() as folder:
            program = self._programs.setdefault(path, open_program(path))
            methods = {method.name: method for method in methods_of(path, self._plan.photo)}
            method = methods[name] if name else next(iter(methods.values()))
            parcel = pack(path, program, method, Path(folder))
            try:
                self._sent[path, name] = parcel, self._jobs.upload(parcel)
            except (RefusedError, BusyError) as error:
                self._refused[path, name] = Failure(None, f"{SERVICE} does not take {parcel.path.name}: {error}")
                self._steps.say(f"  refused: {error}")

    def _submit_all(self, tasks: Sequence[Task]) -> None:
        """Submit a job for every task; what is refused is a failed record when its turn comes."""
        with self._steps.step(f"submit {len(tasks)} jobs"):
            for task in tasks:
                sent = self._sent.get((self._path(task[1]), task[1].method))
                try:
                    if sent is not None:
                        self._jobs.submit(task, *sent)
                except RefusedError:
                    continue
                except BusyError as error:
                    self._steps.say(f"  {self._jobs.submitted} are there, and more go as these end ({error})")
                    return

    def _record(self, task: Task, run: str, parcel: Parcel, job: Any) -> Record:
        """Read and judge what a job gave.

        Raises:
            RefusedError: It cannot be used, or misses the artifact's own tolerances.
        """
        number, case = task
        path, method = self._path(case), parcel.method
        told, outputs = self._jobs.results(task)
        profile = read_profile(told)
        given = {method.name: parcel.outputs(outputs)}
        sidecar = Sidecar.read(path)
        missed = misses([method], self._programs[path], given, tolerances_for(sidecar))
        if missed:
            raise RefusedError(f"the phone computes something else: {'; '.join(missed)}")
        unit = case.accelerator.upper()
        if profile.layers and unit not in profile.layers:
            ran = ", ".join(f"{count} on the {name}" for name, count in profile.layers.items())
            raise RefusedError(f"no layer ran on the {unit}: {ran}")
        return Record(
            run=run,
            round=number,
            status="ok",
            device=case.device,
            phone=case.phone,
            accelerator=case.accelerator,
            method=case.method,
            model=case.model,
            runtime=case.runtime,
            precision=case.precision,
            threads_asked=case.threads,
            samples={method.name: profile.samples},
            load_ms=profile.load_ms,
            memory=profile.memory,
            layers=profile.layers,
            counts=_counts(sidecar, case.method),
            artifact=describe_artifact(path),
            inputs=shapes(method),
            photo=describe_photo(self._plan.photo),
            weights=sidecar.weights.description,
            environment={**self._about(case), "job": job.job_id, "url": job.url},
            profile=self._plan.profile,
            time=now(),
        )

    def _about(self, case: Case) -> dict[str, Any]:
        phone = self._phones[case.phone]
        told = {"phone": phone.name, "system": phone.system, "chipset": phone.chipset, "service": SERVICE}
        return {name: value for name, value in told.items() if value}

    def _failed(self, case: Case, run: str, number: int, failure: Failure) -> Record:
        return failed_record(self._plan, case, run, number, failure, self._about(case))


def _is_whole(model: str) -> bool:
    try:
        return family_of(model) is Family.WHOLE
    except UserError:
        return False  # a baseline


def _methods(model: str, runtime: str, precision: str) -> tuple[str, ...]:
    """Return what of a model is measured by itself: "" for all of it, nothing where it has no such artifact."""
    try:
        family = family_of(model)
    except UserError:
        return ()  # a baseline
    if precision not in FORMATS[runtime].precisions.get(family, ()):
        return ()
    if family is not Family.WHOLE:
        return ("",)
    return tuple(CAPTION_CALLS) if runtime == "onnx" else ()


def _counts(sidecar: Sidecar, method: str) -> Counts | None:
    """Return what one run computes; of one method among several it is not known how many parameters are its own."""
    if method:
        return None
    with torch.device("meta"):
        module = build(sidecar.config)
    return artifact_counts(sidecar, module)

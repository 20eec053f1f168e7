"""Jobs of one run: submitted as far as the service takes them, remembered in the folder, waited for."""

import time
from collections.abc import Mapping
from typing import Any

from bench.devices.hub_files import Parcel
from bench.devices.hub_ledger import Ledger
from bench.devices.hub_service import SERVICE, BusyError, HostedPhone, HubService, JobState, RefusedError
from bench.records.record import Case
from minivlm.console import Steps
from minivlm.errors import UserError

POLL_SECONDS = 10.0
BUSY_SECONDS = 600.0
"""For which a service that takes no more jobs is asked again while none of ours is there."""

Task = tuple[int, Case]
"""Number of the round, and the case."""


class HubJobs:
    """What a run has at the service.

    Args:
        service: The client.
        phones: By name.
        ledger: Of the folder.
        steps: Shows what is waited for.
        run: Its id.
        runs: Of each job.
        timeout: Seconds that a job may run without any progress; waiting for a phone does not count.
    """

    def __init__(
        self,
        service: HubService,
        phones: Mapping[str, HostedPhone],
        ledger: Ledger,
        steps: Steps,
        *,
        run: str,
        runs: int,
        timeout: float,
    ) -> None:
        self._service = service
        self._phones = phones
        self._ledger = ledger
        self._steps = steps
        self._run = run
        self._runs = runs
        self._timeout = timeout
        self._jobs: dict[Task, Any] = {}
        self._states: dict[Task, JobState] = {}

    @property
    def submitted(self) -> int:
        """How many jobs there are."""
        return len(self._jobs)

    def upload(self, parcel: Parcel) -> tuple[Any, Any]:
        """Return the service's model and inputs, uploaded now if this folder has not done so before.

        Raises:
            BusyError: The service takes nothing now.
            RefusedError: It does not take these.
            UserError: It cannot be reached.
        """
        return self._model(parcel), self._inputs(parcel)

    def _model(self, parcel: Parcel) -> Any:
        known = self._ledger.find("models", parcel.sha256)
        if known is not None:
            try:
                return self._service.model(known)
            except RefusedError:  # removed there
                self._ledger.drop("models", parcel.sha256)
        with self._steps.step(f"upload {parcel.path.name}"):
            model = self._service.upload_model(parcel.path)
        self._ledger.keep("models", parcel.sha256, model.model_id)
        return model

    def _inputs(self, parcel: Parcel) -> Any:
        known = self._ledger.find("inputs", parcel.inputs_hash)
        if known is not None:
            try:
                return self._service.inputs(known)
            except RefusedError:  # removed there, or too old
                self._ledger.drop("inputs", parcel.inputs_hash)
        with self._steps.step(f"upload the inputs of {parcel.path.name}"):
            inputs = self._service.upload_inputs(parcel.inputs)
        self._ledger.keep("inputs", parcel.inputs_hash, inputs.dataset_id)
        return inputs

    def submit(self, task: Task, parcel: Parcel, sent: tuple[Any, Any]) -> None:
        """Submit a job for a task, or take up the one that was submitted before.

        Raises:
            BusyError: The service takes no more.
            RefusedError: It does not take this one.
            UserError: It cannot be reached.
        """
        if task in self._jobs:
            return
        key = self._key(task, parcel)
        known = self._ledger.find("jobs", key)
        if known is not None:
            try:
                self._jobs[task] = self._service.job(known)
                return
            except RefusedError:  # removed there
                self._ledger.drop("jobs", key)
        model, inputs = sent
        _, case = task
        job = self._service.submit(model, self._phones[case.phone], inputs, str(case), options_of(case, self._runs))
        self._ledger.keep("jobs", key, job.job_id)
        self._jobs[task] = job

    def submit_when_free(self, task: Task, parcel: Parcel, sent: tuple[Any, Any]) -> None:
        """Submit a job, waiting for others of this run to end where the service takes no more.

        Raises:
            RefusedError: The service does not take it.
            UserError: It takes none for long, though none of this run is there.
        """
        since = time.monotonic()
        while True:
            try:
                self.submit(task, parcel, sent)
                return
            except BusyError as error:
                if any(not self._ask(other).finished for other in self._jobs):
                    since = time.monotonic()
                if time.monotonic() - since >= BUSY_SECONDS:
                    raise UserError(
                        f"{SERVICE} takes no more jobs ({error}): what was finished is kept; continue later with "
                        "--resume"
                    ) from None
            self._steps.say("    the service takes no more jobs for now ...")
            time.sleep(POLL_SECONDS)

    def wait(self, task: Task) -> tuple[Any, JobState]:
        """Wait for a task's job; returns it and how it ended.

        Raises:
            UserError: The service cannot be reached, or the job shows no progress; in both cases it goes on there.
        """
        shown, code, since = "", "", time.monotonic()
        while not (state := self._ask(task)).finished:
            if state.pending or state.code != code:
                code, since = state.code, time.monotonic()
            if time.monotonic() - since > self._timeout:
                raise UserError(
                    f"job {self._jobs[task].job_id} shows no progress after {self._timeout:g} s of {code.lower()} "
                    "(--timeout); it goes on there, and --resume collects it"
                )
            text = f"    {code.lower()}; {self._counts(task)} ..."
            if text != shown:
                self._steps.say(shown := text)
            time.sleep(POLL_SECONDS)
        return self._jobs[task], state

    def forget(self, task: Task, parcel: Parcel) -> None:
        """Let a task be measured anew by the next `--resume`."""
        self._ledger.drop("jobs", self._key(task, parcel))

    def results(self, task: Task) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the profile and the outputs of a task's job."""
        return self._service.results(self._jobs[task])

    def _ask(self, task: Task) -> JobState:
        """Ask how far a job is, unless it is known to have ended."""
        known = self._states.get(task)
        if known is None or not known.finished:
            self._states[task] = self._service.state(self._jobs[task])
        return self._states[task]

    def _counts(self, asked: Task) -> str:
        """Say how far the whole run is; one of its tasks was asked for just now."""
        states = [self._states[task] if task == asked else self._ask(task) for task in self._jobs]
        ended = sum(state.finished for state in states)
        waiting = sum(state.pending for state in states)
        return f"{ended} of {len(states)} jobs have ended, {waiting} wait for a phone"

    def _key(self, task: Task, parcel: Parcel) -> str:
        number, case = task
        return f"{self._run}, round {number}, {case}, {parcel.sha256[:16]}, {parcel.inputs_hash[:16]}"


def options_of(case: Case, runs: int) -> str:
    """Return a job's options; fp32 and int8 artifacts are not computed in fp16 where the service leaves the choice."""
    common = f"--compute_unit {case.accelerator} --max_profiler_iterations {runs}"
    if case.runtime == "onnx":
        return f"{common} --onnx_options intra_op_num_threads={case.threads}"
    halves = str(case.precision == "fp16").lower()
    return f"{common} --tflite_options number_of_threads={case.threads};allow_fp32_as_fp16={halves}"

"""Stands in for qai_hub.client, version 0.56: the calls that are used, with the same signatures and exceptions.

A job is answered by running the model here, as the service would on a phone. `Script` says what goes wrong.
`test_hub_client.py` holds the signatures against the real client's where it is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

MICROSECONDS = {"cpu": [10003, 4205, 4100], "gpu": [3000, 2000, 2100], "npu": [900, 800, 700]}
PEAK = 166_711_296


class Error(Exception):
    def __init__(self, message):
        super().__init__(message)


class InternalError(Error):
    def __init__(self, message):
        super().__init__(message)


class UserError(Error):
    def __init__(self, message):
        super().__init__(message)


class RateLimitedError(Error):
    pass


@dataclass
class Device:
    name: str = ""
    os: str = ""
    attributes: str | list[str] = field(default_factory=list)


PHONE = ["format:phone", "framework:tflite", "framework:onnx", "os:android"]
DEVICES = [
    Device("Samsung Galaxy S24", "13", [*PHONE, "chipset:qualcomm-snapdragon-8gen3"]),
    Device("Samsung Galaxy S24", "14", [*PHONE, "chipset:qualcomm-snapdragon-8gen3"]),
    Device("Samsung Galaxy S23", "13", [*PHONE, "chipset:qualcomm-snapdragon-8gen2"]),
    Device("Google Pixel 7", "13", [*PHONE, "chipset:google-tensor-g2"]),
    Device("Samsung Galaxy Tab S8", "12", ["format:tablet", "framework:tflite", "os:android"]),
]


class JobStatus:
    class State(Enum):
        SUCCESS = "done"
        FAILED = "failed"
        CREATED = "created"
        PROVISIONING_DEVICE = "provisioning"
        MEASURING_PERFORMANCE = "measuring"

    def __init__(self, state: JobStatus.State, message: str | None = None):
        self.state = state
        self.message = message

    @property
    def code(self) -> str:
        return self.state.name

    @property
    def success(self) -> bool:
        return self.state == JobStatus.State.SUCCESS

    @property
    def failure(self) -> bool:
        return self.state == JobStatus.State.FAILED

    @property
    def finished(self) -> bool:
        return self.success or self.failure

    @property
    def running(self) -> bool:
        return not self.finished and not self.pending

    @property
    def pending(self) -> bool:
        return self.state == JobStatus.State.CREATED


STATES = [JobStatus.State.CREATED, JobStatus.State.PROVISIONING_DEVICE, JobStatus.State.MEASURING_PERFORMANCE]


@dataclass
class Script:
    """The service: what it has, and what goes wrong.

    Attributes:
        calls: Every call so far, its name first.
        token: Whether the client is configured.
        raises: By call, what it raises; the n-th call takes the n-th, None passes.
        fails: Why the job for a phone fails, by its name.
        answer: Changes outputs.
        profile: Changes a profile.
        slots: How many jobs may be there that have not ended.
        polls: How often a job is asked for before it ends.
    """

    calls: list[tuple] = field(default_factory=list)
    token: bool = True
    raises: dict[str, list[Exception | None]] = field(default_factory=dict)
    fails: dict[str, str] = field(default_factory=dict)
    answer: Callable[[str, dict], dict] = lambda phone, outputs: outputs
    profile: Callable[[dict], dict] = lambda profile: profile
    slots: int = 1000
    polls: int = 3
    models: dict[str, bytes] = field(default_factory=dict)
    datasets: dict[str, dict] = field(default_factory=dict)
    jobs: dict[str, dict] = field(default_factory=dict)

    def called(self, name: str, *details: Any) -> None:
        self.calls.append((name, *details))
        waiting = self.raises.get(name, [])
        error = waiting.pop(0) if waiting else None
        if error is not None:
            raise error

    def count(self, name: str) -> int:
        return sum(call[0] == name for call in self.calls)


SCRIPT = Script()


class Dataset:
    def __init__(self, dataset_id: str):
        self.dataset_id = dataset_id

    def is_expired(self) -> bool:
        return False


class Model:
    def __init__(self, model_id: str):
        self.model_id = model_id


class InferenceJob:
    def __init__(self, job_id: str):
        self.job_id = job_id

    @property
    def url(self) -> str:
        return f"https://hub.example/jobs/{self.job_id}/"

    def get_status(self) -> JobStatus:
        SCRIPT.called("get_status", self.job_id)
        job = SCRIPT.jobs[self.job_id]
        asked = job["asked"]
        job["asked"] += 1
        if asked < SCRIPT.polls:
            return JobStatus(STATES[min(asked, len(STATES) - 1)])
        reason = SCRIPT.fails.get(job["phone"])
        return JobStatus(JobStatus.State.FAILED, reason) if reason else JobStatus(JobStatus.State.SUCCESS)

    def download_profile(self, filename: str | None = None) -> dict | str:
        SCRIPT.called("download_profile", self.job_id)
        unit = SCRIPT.jobs[self.job_id]["options"].split()[1]
        # The shape of test_client.py's `profile_pb`, version 1.8 of the profile.
        summary = {
            "estimated_inference_time": min(MICROSECONDS[unit]),
            "estimated_inference_peak_memory": PEAK,
            "first_load_time": 1374293,
            "first_load_peak_memory": PEAK,
            "warm_load_time": 277823,
            "inference_memory_peak_range": (98230272, PEAK),
            "all_inference_times": MICROSECONDS[unit],
        }
        layers = [{"name": "a", "type": "CONV", "compute_unit": "CPU"}]
        layers += [{"name": "b", "type": "CONV", "compute_unit": unit.upper(), "execution_time": 23}] * 3
        return SCRIPT.profile({"execution_summary": summary, "execution_detail": layers})

    def download_output_data(self, filename: str | None = None) -> Mapping[str, list[np.ndarray]] | str | None:
        SCRIPT.called("download_output_data", self.job_id)
        job = SCRIPT.jobs[self.job_id]
        return SCRIPT.answer(job["phone"], run(SCRIPT.models[job["model"]], SCRIPT.datasets[job["inputs"]]))


class Client:
    def __init__(self, config=None, profile=None, default_project_id=None, client_mode="library"):
        pass

    def set_verbose(self, verbose: bool = True) -> None:
        if not SCRIPT.token:
            raise UserError(
                "Failed to load client configuration file.\n\n┌────┐\n"
                "| /home/somebody/.qai_hub/client.ini not found. Please request access. |\n└────┘"
            )

    def get_devices(self, name: str = "", os: str = "", attributes: str | list[str] | None = None) -> list[Device]:
        SCRIPT.called("get_devices")
        return DEVICES

    def upload_model(self, model: Any, name: str | None = None, project: Any = None) -> Model:
        SCRIPT.called("upload_model", Path(model).name)
        model_id = f"m{len(SCRIPT.models)}"
        SCRIPT.models[model_id] = Path(model).read_bytes()
        return Model(model_id)

    def get_model(self, model_id: str) -> Model:
        SCRIPT.called("get_model", model_id)
        return Model(model_id)

    def upload_dataset(self, data: Any, name: str | None = None, project: Any = None) -> Dataset:
        SCRIPT.called("upload_dataset", tuple(data))
        dataset_id = f"d{len(SCRIPT.datasets)}"
        SCRIPT.datasets[dataset_id] = {name: array for name, (array,) in data.items()}
        return Dataset(dataset_id)

    def get_dataset(self, dataset_id: str) -> Dataset:
        SCRIPT.called("get_dataset", dataset_id)
        return Dataset(dataset_id)

    def get_job(self, job_id: str, job_type: Any = None) -> InferenceJob:
        SCRIPT.called("get_job", job_id)
        return InferenceJob(job_id)

    def submit_inference_job(
        self,
        model: Any,
        device: Device | list[Device],
        inputs: Any = None,
        name: str | None = None,
        options: str = "",
        retry: bool = True,
        profile: bool = True,
        project: Any = None,
    ) -> InferenceJob | list[InferenceJob]:
        assert isinstance(device, Device)
        assert profile
        assert not retry  # the client's own retrying prints, and blocks for minutes
        open_jobs = sum(job["asked"] <= SCRIPT.polls for job in SCRIPT.jobs.values())
        if open_jobs >= SCRIPT.slots:
            raise RateLimitedError('{"detail": "You have reached your limit of concurrent jobs."}')
        SCRIPT.called("submit_inference_job", device.name, device.os, options)
        job_id = f"j{len(SCRIPT.jobs)}"
        SCRIPT.jobs[job_id] = {
            "phone": device.name,
            "options": options,
            "model": model.model_id,
            "inputs": inputs.dataset_id,
            "asked": 0,
        }
        return InferenceJob(job_id)


def run(model: bytes, inputs: dict[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    """Run a model by the names of its file, as the service does: it knows nothing of sidecars or signatures."""
    if model[4:8] == b"TFL3":
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
        for told in interpreter.get_input_details():
            interpreter.set_tensor(told["index"], inputs[told["name"]])
        interpreter.invoke()
        return {told["name"]: [interpreter.get_tensor(told["index"])] for told in interpreter.get_output_details()}
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [told.name for told in session.get_outputs()]
    return {name: [array] for name, array in zip(names, session.run(None, inputs), strict=True)}

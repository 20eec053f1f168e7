"""Qualcomm AI Hub's client, behind the few calls that a measurement needs; its errors are told in one line.

Written against qai-hub 0.56 (`qai_hub/client.py`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from minivlm.errors import UserError, closest, printable

CLIENT = "qai_hub.client"
SERVICE = "Qualcomm AI Hub"
CONFIGURE = "qai-hub configure --api_token TOKEN, with the token from your account page at https://aihub.qualcomm.com"
SHOWN = 5
MOST_LETTERS = 400
"""Of a message: the service may put a whole log into one."""


class RefusedError(Exception):
    """The service does not take what was sent; the message is its reason, in one line."""


class BusyError(Exception):
    """The service takes no more jobs for now; the message is its reason, in one line."""


@dataclass(frozen=True)
class HostedPhone:
    """A phone of the service.

    Attributes:
        name: As `--phone` takes it.
        system: Such as "android 14".
        chipset: Such as "qualcomm-snapdragon-8gen3"; empty where it is not told.
        device: The client's own object.
    """

    name: str
    system: str
    chipset: str
    device: Any


@dataclass(frozen=True)
class JobState:
    """How far a job is: `code` is the service's word for it, `message` its reason where it failed."""

    code: str
    pending: bool
    finished: bool
    success: bool
    message: str


class HubService:
    """The service, with the token of the client's own configuration.

    Raises:
        UserError: The client is not installed, or has no token.
    """

    def __init__(self) -> None:
        try:
            self._api: Any = import_module(CLIENT)
        except ImportError as error:
            raise UserError(
                f"--device hub needs the client of {SERVICE} ({one_line(str(error))}): pip install -e '.[hub]'"
            ) from None
        try:
            self._client = self._api.Client()
            self._client.set_verbose(False)  # reads the configuration
        except Exception as error:  # also what configparser and str2bool raise over a damaged file
            raise UserError(f"{SERVICE} has no token of yours here ({one_line(str(error))}): {CONFIGURE}") from None

    def phones(self) -> list[HostedPhone]:
        """Return what the service hosts, each in every version of its system.

        Raises:
            UserError: The service cannot be reached, or does not take the token.
        """
        try:
            with self._told():
                found = self._client.get_devices()
        except RefusedError as error:
            raise UserError(f"{SERVICE} refuses this computer ({error}): {CONFIGURE}") from None
        return [_hosted(device) for device in found]

    def upload_model(self, path: Path) -> Any:
        """Upload an artifact, a file or a folder; returns the client's model."""
        with self._told():
            return self._client.upload_model(str(path))

    def model(self, model_id: str) -> Any:
        """Return a model that was uploaded before."""
        with self._told():
            return self._client.get_model(model_id)

    def upload_inputs(self, inputs: Mapping[str, np.ndarray]) -> Any:
        """Upload inputs, one array for each; returns the client's dataset, which the service keeps for 30 days."""
        with self._told():
            return self._client.upload_dataset({name: [array] for name, array in inputs.items()})

    def inputs(self, dataset_id: str) -> Any:
        """Return inputs that were uploaded before."""
        with self._told():
            found = self._client.get_dataset(dataset_id)
        if found.is_expired():
            raise RefusedError("these inputs have expired")
        return found

    def submit(self, model: Any, phone: HostedPhone, inputs: Any, name: str, options: str) -> Any:
        """Submit a job that profiles a model on a phone, and runs it on inputs; returns the client's job.

        Raises:
            BusyError: There are too many.
            RefusedError: The service does not take it.
            UserError: The service cannot be reached.
        """
        with self._told():
            return self._client.submit_inference_job(
                model, phone.device, inputs=inputs, name=name, options=options, retry=False, profile=True
            )

    def job(self, job_id: str) -> Any:
        """Return a job that was submitted before."""
        with self._told():
            return self._client.get_job(job_id)

    def state(self, job: Any) -> JobState:
        """Ask how far a job is."""
        with self._told():
            status = job.get_status()
        message = one_line(status.message or "")
        return JobState(status.code, status.pending, status.finished, status.success, message)

    def results(self, job: Any) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
        """Return the profile of a job that succeeded, and its outputs by name, one array for each input."""
        with self._told():
            return dict(job.download_profile() or {}), dict(job.download_output_data() or {})

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the client raises into three cases; its libraries share no base for theirs."""
        try:
            yield
        except self._api.RateLimitedError as error:
            raise BusyError(one_line(str(error))) from None
        except self._api.UserError as error:
            raise RefusedError(one_line(str(error))) from None
        except Exception as error:
            said = one_line(str(error)) or type(error).__name__
            raise UserError(
                f"{SERVICE} cannot be reached or fails ({said}): what was finished is kept, and jobs go on there; "
                "continue with --resume"
            ) from None


def choose_phones(names: Sequence[str], hosted: Sequence[HostedPhone]) -> dict[str, HostedPhone]:
    """Return phones by name, each with the latest system that it is hosted with.

    Raises:
        UserError: No name was given, or one is not there.
    """
    latest: dict[str, HostedPhone] = {}
    for phone in sorted(hosted, key=lambda phone: _version(phone.device.os)):
        latest[phone.name] = phone
    if not names:
        phones = [name for name, phone in latest.items() if "format:phone" in phone.device.attributes] or list(latest)
        some = ", ".join(sorted(phones)[:SHOWN])
        raise UserError(
            f"--device hub needs phones, of {len(phones)} that are hosted, such as {some}: give --phone NAME"
        )
    for name in names:
        if name not in latest:
            raise UserError(f"{SERVICE} hosts no phone {printable(name)[:80]!r}: {closest(name, sorted(latest))}")
    return {name: latest[name] for name in names}


def one_line(message: str) -> str:
    """Return a message of the client's without the box that it draws around some, and no longer than can be read."""
    text = " ".join(re.sub(r"[┌┐└┘─│]|(?m:^\| | \|$)", " ", message).split())
    return printable(text)[:MOST_LETTERS].rstrip(".: ")


def _hosted(device: Any) -> HostedPhone:
    told = dict(attribute.split(":", 1) for attribute in device.attributes if attribute.startswith(("os:", "chipset:")))
    return HostedPhone(device.name, f"{told.get('os', '')} {device.os}".strip(), told.get("chipset", ""), device)


def _version(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", text)]

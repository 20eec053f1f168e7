"""The stand-in for the hosted phones' client has the signatures of the real one, where that is installed."""

import importlib.metadata
import inspect
import re
from pathlib import Path

import pytest

from tests.bench.devices import hub_client

CALLS = {
    "Client": (
        *("__init__", "set_verbose", "get_devices", "upload_model", "get_model", "upload_dataset", "get_dataset"),
        *("get_job", "submit_inference_job"),
    ),
    "InferenceJob": ("get_status", "download_profile", "download_output_data"),
    "Dataset": ("is_expired",),
    "Device": ("__init__",),
}
PROPERTIES = {
    "InferenceJob": ("url",),
    "JobStatus": ("code", "success", "failure", "finished", "running", "pending"),
}


@pytest.fixture
def real():
    return pytest.importorskip("qai_hub.client", reason="pip install -e '.[hub]'", exc_type=ImportError)


def parameters(function) -> list[tuple]:
    """Names, kinds and defaults; types differ where the stand-in has none."""
    return [(each.name, each.kind, repr(each.default)[:20]) for each in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize(("name", "call"), [(name, call) for name, calls in CALLS.items() for call in calls])
def test_calls(real, name, call):
    ours, theirs = (getattr(getattr(module, name), call) for module in (hub_client, real))
    assert parameters(ours) == parameters(theirs)


@pytest.mark.parametrize(("name", "call"), [(name, call) for name, calls in PROPERTIES.items() for call in calls])
def test_properties(real, name, call):
    assert isinstance(getattr(getattr(real, name), call), property)
    assert isinstance(getattr(getattr(hub_client, name), call), property)


@pytest.mark.parametrize("name", ["UserError", "InternalError", "RateLimitedError"])
def test_exceptions(real, name):
    assert issubclass(getattr(real, name), real.Error)
    assert getattr(real, name)("a reason").args == ("a reason",)


def test_states(real):
    assert {state.name for state in hub_client.JobStatus.State} <= {state.name for state in real.JobStatus.State}


def test_the_version_is_the_one_that_is_pinned(real):
    pinned = re.search(r'"qai-hub==([0-9.]+)"', Path("pyproject.toml").read_text())[1]
    assert importlib.metadata.version("qai-hub") == pinned

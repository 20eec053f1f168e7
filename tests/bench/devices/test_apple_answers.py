"""Whatever Apple's tools write, it is read or passed over: no answer of theirs ends in a traceback."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.devices import coredevice
from bench.devices.apple_devices import choose, read_devices
from bench.devices.coredevice import Answer, DeviceError
from bench.devices.crash_reports import concerns_app, death_of
from minivlm.errors import UserError
from tests.bench.devices import apple

NAMES = st.sampled_from(
    [
        *("identifier", "properties", "connectionProperties", "deviceProperties", "hardwareProperties", "platform"),
        *("udid", "name", "tunnelState", "state", "software", "osVersionNumber", "developerModeStatus", "hardware"),
        *("info", "outcome", "result", "error", "userInfo", "NSUnderlyingError", "domain", "code", "string"),
        *("procName", "exception", "termination", "signal", "processes", "reason", "reasons", "memoryStatus", "asi"),
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(["MiniVLM", "iOS", "success", "SIGILL"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=5)),
    max_leaves=20,
)


@given(st.lists(VALUES, max_size=4))
def test_any_list_of_devices_is_read_and_chosen_from_or_refused(listed: list[object]) -> None:
    devices = read_devices(listed)
    assert all(device.identifier for device in devices)
    with suppress(UserError):
        assert choose(devices, None) in devices


@given(VALUES)
def test_any_json_of_devicectl_is_an_answer(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    path = tmp_path_factory.mktemp("answer") / "answer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    answer = coredevice._read(path, 0, "said")
    assert "\n" not in answer.complaint
    assert isinstance(answer.items("devices"), list)


@given(
    st.one_of(
        st.binary(max_size=60), st.tuples(VALUES, VALUES).map(lambda two: "\n".join(map(json.dumps, two)).encode())
    )
)
def test_any_report_is_a_reason(report: bytes) -> None:
    failure = death_of([report], ["last"])
    assert failure.reason
    assert failure.stderr == ["last"]


def test_the_innermost_error_is_the_reason(tmp_path: Path) -> None:
    """The outermost only says that the launch failed."""
    path = tmp_path / "answer.json"
    path.write_text(json.dumps({"info": {"outcome": "failed"}, "error": apple.LOCKED}))
    answer = coredevice._read(path, 1, "FBSOpenApplicationRequestID = 0x2f1a")
    assert [(error.domain, error.code) for error in answer.errors] == [
        ("com.apple.dt.CoreDeviceError", 10002),
        ("FBSOpenApplicationServiceErrorDomain", 1),
        ("FBSOpenApplicationErrorDomain", 7),
    ]
    assert answer.errors[-1].name == "Locked"
    assert answer.complaint.startswith("Unable to launch it because the device was not")


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (apple.NO_NODE, True),
        (apple.PAIRING_LOST, True),
        (apple.BUSY, True),
        (apple.INVALID, True),
        (apple.LOCKED, False),
        (apple.UNTRUSTED, False),
        (apple.NOT_FOUND, False),
    ],
)
def test_what_passes_is_tried_again_and_nothing_else(tmp_path: Path, error: dict, again: bool) -> None:
    path = tmp_path / "answer.json"
    path.write_text(json.dumps({"info": {"outcome": "failed"}, "error": error}))
    assert coredevice.passes(coredevice._read(path, 1, "")) is again


def test_success_with_an_exit_code_is_none() -> None:
    assert not Answer("failed", errors=(DeviceError("d", 1, ""),)).ok
    assert Answer("failed", errors=(DeviceError("d", 1, ""),)).complaint == "no reason given (d 1)"


@pytest.mark.parametrize(
    ("name", "concerns"),
    [
        ("MiniVLM-2026-11-26-101112.ips", True),
        ("Retired/MiniVLM-2026-11-26-101112.ips", True),
        ("JetsamEvent-2026-11-26-101112.ips", True),
        ("MiniVLMother-2026-11-26-101112.ips", False),
        ("Safari-2026-11-26-101112.ips", False),
        ("MiniVLM-2026-11-26-101112.log", False),
    ],
)
def test_reports_are_known_by_their_names(name: str, concerns: bool) -> None:
    assert concerns_app(name) is concerns

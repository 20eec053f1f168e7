"""Runs of `bench/run.py --device hub`: how they are started, and what they leave."""

import pytest

from bench import run
from bench.records.file import read
from tests.bench.devices.hub_client import InternalError
from tests.bench.devices.phones import MODEL

S24, S23, PIXEL = "Samsung Galaxy S24", "Samsung Galaxy S23", "Google Pixel 7"
OFFLINE = InternalError("Internal API failure.\n┌──┐\n| Could not connect to Qualcomm AI Hub. |\n└──┘")


def benchmark(folders, *flags: str, phones=(S24,), models: str = MODEL, runtimes: str = "onnx") -> None:
    given = ["--device", "hub", "--models", models, "--runtimes", runtimes, "--profile", "quick"]
    named = [part for phone in phones for part in ("--phone", phone)]
    paths = ["--artifacts", str(folders["artifacts"]), "--output", str(folders["output"])]
    run.main([*given, *named, *paths, *flags])


def resume(folders) -> None:
    run.main(["--resume", "--output", str(folders["output"])])


def records(folders):
    return read(folders["output"] / "records.jsonl")


def fails(call) -> None:
    with pytest.raises(SystemExit) as caught:
        call()
    assert caught.value.code == 1

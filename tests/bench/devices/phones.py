"""What the tests of phones share: scripted tools, artifacts for them, and the files that the sample app would write."""

import hashlib
import io
import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.devices.verification_files import FORMAT, OUTPUTS, raw_bytes
from export.core.catalogue import fusion_method
from export.runtime.program import open_program
from minivlm.errors import run_command
from minivlm.weights.loading import create_model
from tests.bench.devices import stand_in
from tests.bench.samples import SAMPLE

STAND_IN = Path(__file__).with_name("stand_in.py")
MODEL = "minilm-tiny"


class Tool:
    """A scripted adb or xcrun, first on the PATH."""

    def __init__(self, folder: Path, name: str, monkeypatch: Any) -> None:
        self._script = folder / "script.json"
        program = folder / "bin" / name
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {STAND_IN} {self._script} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    def follow(self, rules: list[tuple[str, list[dict[str, Any]]]]) -> None:
        """Answer by these rules from now on."""
        for suffix in (".state", ".log"):
            self._script.with_suffix(suffix).unlink(missing_ok=True)
        found = [{"when": pattern, "then": answers} for pattern, answers in rules]
        self._script.write_text(json.dumps({"rules": found}))

    def answer(self, command: Sequence[str], _seconds: float = 0.0) -> subprocess.CompletedProcess[bytes]:
        """Answer within this process, in the place of `run_tool`: a run asks dozens of times."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with redirect_stdout(out), redirect_stderr(err):
            code = stand_in.main(self._script, list(command[1:]))
        said, complained = (stream.buffer.getvalue() for stream in (out, err))
        return subprocess.CompletedProcess(command, code, said, complained)

    @property
    def asked(self) -> list[str]:
        """Every command so far, its arguments joined."""
        return self._script.with_suffix(".log").read_text().splitlines()


def status(state: str, step: str = "measuring", message: str | None = None, run: str = "{run}") -> str:
    """What the app says of itself; "{run}" becomes the run it was told."""
    fields = {"format": 1, "run": run, "round": 0, "state": state, "step": step, "message": message}
    return json.dumps(fields)


def results(
    folder: Path,
    artifact: Path,
    kind: str,
    change: Callable[[bytes], bytes] = lambda raw: raw,
    runtime: str = "executorch",
) -> Path:
    """Write what the app would: a record, and the artifact's true outputs, changed if asked."""
    record = replace(
        SAMPLE,
        device=kind,
        run="{run}",
        model=MODEL,
        runtime=runtime,
        counts=None,
        machine=None,
        profile="quick",
        environment={"phone": "Example Phone"},
    )
    (folder / artifact.stem).mkdir(parents=True)
    line = record.to_json().replace('"threads_asked":4', '"threads_asked":{threads}')
    (folder / "records.jsonl").write_text(line + "\n")
    (folder / "status.json").write_text(status("finished", "writing"))
    method = fusion_method("forward", create_model(MODEL))
    outputs = []
    for name, tensor in zip(method.outputs, open_program(artifact).run("forward", method.example), strict=True):
        content, file = change(raw_bytes(tensor)), f"forward-{name}.bin"
        (folder / artifact.stem / file).write_bytes(content)
        outputs.append(
            {
                "name": name,
                "shape": list(tensor.shape),
                "dtype": "float32",
                "file": file,
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )
    text = json.dumps({"format": FORMAT, "methods": [{"name": "forward", "outputs": outputs}]})
    (folder / artifact.stem / OUTPUTS).write_text(text)
    return folder


def laid_out(artifact: Path, folder: Path) -> dict[str, Path]:
    """Copy an artifact to where a benchmark finds it; returns what a run is told, with a folder for its records."""
    artifacts = folder / "artifacts"
    artifacts.mkdir()
    for path in (artifact, artifact.with_suffix(".json")):
        shutil.copy(path, artifacts)
    return {"artifact": artifacts / artifact.name, "artifacts": artifacts, "output": folder / "records"}


def refused(capsys: pytest.CaptureFixture[str], call: Callable[[], None]) -> str:
    """Run a command that must end with exit code 2; returns its one line of complaint."""
    with pytest.raises(SystemExit) as caught:
        run_command(call)
    assert caught.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line

"""A server's threads open one artifact at once and run it at once, from a cold start."""

import subprocess
import sys

import pytest
import torch

from export.core.catalogue import fusion_method
from minivlm.weights.loading import create_model

HANG = 600.0
"""Seconds after which a process that should take some ten is taken for hanging, however busy the machine is."""

SCRIPT = """
import os, sys, threading
from pathlib import Path

start, failures = threading.Barrier(8), []

def work(number):
    start.wait()
    try:
        from export.runtime.program import open_program
        for again in range(4):
            program = open_program(Path(sys.argv[1]), 1)
            program.load("forward")
            os.write(1, b"thread %d opened %d\\n" % (number, again))  # at once, unlike print
    except BaseException as error:
        failures.append(error)

threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("failures:", failures)
"""


@pytest.mark.parametrize("runtime", ["executorch", "onnx", "litert", "coreml"])
def test_eight_threads_open_it_and_stdout_is_whole(exported, runtime):
    command = [sys.executable, "-c", SCRIPT, str(exported("minilm-tiny", runtime).artifact)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANG)
    *opened, failures = done.stdout.splitlines()
    assert failures == "failures: []", done.stderr
    assert sorted(opened) == [f"thread {number} opened {again}" for number in range(8) for again in range(4)]


RUNS = """
import sys, threading
from pathlib import Path
import torch
from export.runtime.program import open_program

inputs, expected = torch.load(sys.argv[2])
program, wrong = open_program(Path(sys.argv[1]), 1), []

def work(number):
    for again in range(20):
        which = (number + again) % len(inputs)
        given = program.run("forward", inputs[which])
        if not all(torch.equal(*pair) for pair in zip(given, expected[which], strict=True)):
            wrong.append(which)

threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(wrong)
"""


@pytest.mark.parametrize("runtime", ["executorch", "onnx", "litert"])
def test_six_threads_run_one_program_and_each_gets_its_own_result(exported, tmp_path, runtime):
    """Expected is what the same program gives to one thread alone, to the bit."""
    from export.runtime.program import open_program

    artifact = exported("minilm-tiny", runtime).artifact
    inputs = fusion_method("forward", create_model("minilm-tiny")).verification_inputs
    program = open_program(artifact, 1)
    torch.save((inputs, [program.run("forward", given) for given in inputs]), tmp_path / "expected.pt")
    command = [sys.executable, "-c", RUNS, str(artifact), str(tmp_path / "expected.pt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANG)
    assert done.stdout == "[]\n", done.stderr

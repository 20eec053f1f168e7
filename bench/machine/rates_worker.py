"""The machine's rates in a process of its own, so that its memory and threads are nobody's."""

import json
from collections.abc import Callable
from dataclasses import asdict

from bench.workers.answering import answer, bind
from minivlm.errors import run_command


def respond(question: str, alive: Callable[[], None]) -> str:
    """Take "threads" and "affinity", return `MachineRates`, both as one line."""
    asked = json.loads(question)
    bind(asked["affinity"])
    from bench.machine.rates import machine_rates  # after binding, as in `bench.measure.worker`

    return json.dumps(asdict(machine_rates(asked["threads"])))


if __name__ == "__main__":
    run_command(lambda: answer(respond))

"""One measurement in a process of its own: thread pools, caches and memory start fresh for each."""

import json
from collections.abc import Callable

from pydantic import ValidationError

from bench.records.record import explain
from bench.workers.answering import answer, bind
from bench.workers.turns import Turn
from minivlm.errors import UserError, run_command


def respond(question: str, alive: Callable[[], None]) -> str:
    """Take a task and return a record, both as one line."""
    bind(json.loads(question)["plan"]["affinity"])
    # After binding: libraries count cores and make threads when they are imported.
    from bench.measure.measuring import perform
    from bench.measure.task import Task

    task = Task.from_json(question)

    with Turn() as turn:

        def finished() -> bool:
            alive()
            return turn.take()

        try:
            return perform(task, finished).to_json()
        except ValidationError as error:
            raise UserError(f"what was measured cannot be: {explain(error)}") from None


if __name__ == "__main__":
    run_command(lambda: answer(respond))

"""A program run in pieces: by the reference executor where it calls Core ML, elsewhere by ExecuTorch's runtime."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from export.backends.executorch.payloads import CoreMLPiece
from export.backends.executorch.splitting import Call, Cut, Stretch, shared_data, split

Watch = Callable[[Sequence[Tensor], Sequence[Tensor]], None]
"""Sees what goes in and comes out of each piece of the reference executor."""


class PiecedProgram:
    """A program whose calls of one delegate the reference executor runs.

    Args:
        content: Bytes of the .pte file.
        backend: The delegate's name in ExecuTorch.
    """

    def __init__(self, content: bytes, backend: str) -> None:
        from executorch.exir._serialize._program import deserialize_pte_binary, serialize_pte_binary
        from executorch.runtime import Runtime

        file = deserialize_pte_binary(content)
        rest, self._cuts = split(file, backend)
        self._shared: Mapping[str, bytes] = shared_data(file)
        self._content = bytes(serialize_pte_binary(rest, extract_delegate_segments=True))  # the runtime reads it there
        self._program: Any = Runtime.get().load_program(self._content)

    def load_method(self, name: str) -> "PiecedMethod":
        """Load all that a method consists of."""
        return PiecedMethod(self._cuts[name], self._program, self._shared)


class PiecedMethod:
    """A method, ready to run.

    Args:
        cut: What it consists of.
        program: Of its stretches.
        shared: What delegates of the file share, by name.

    Raises:
        UserError: A piece cannot be read, or uses an operator that the executor does not know.
    """

    def __init__(self, cut: Cut, program: Any, shared: Mapping[str, bytes]) -> None:
        self._cut = cut
        self._stretches = {step.name: program.load_method(step.name) for step in cut.steps if isinstance(step, Stretch)}
        self._pieces = [CoreMLPiece(step.payload, shared) for step in cut.steps if isinstance(step, Call)]

    def execute(self, inputs: Sequence[Tensor], seen: Watch | None = None) -> list[Tensor]:
        """Run the method.

        Args:
            inputs: In order.
            seen: Shown each piece of the reference executor, in the order of execution.

        Returns:
            Its outputs in order.
        """
        values = {**self._cut.constants, **dict(zip(self._cut.inputs, inputs, strict=True))}
        pieces = iter(self._pieces)
        for step in self._cut.steps:
            if isinstance(step, Stretch):
                found = self._stretches[step.name].execute([values[number] for number in step.takes])
                values.update(zip(step.gives, found, strict=True))
                continue
            piece = next(pieces)
            given = [values[number] for number in step.values[: piece.inputs]]
            made = piece.run(given)
            if seen is not None:
                seen(given, made)
            values.update(zip(step.values[piece.inputs :], made, strict=True))
        return [values[number] for number in self._cut.outputs]

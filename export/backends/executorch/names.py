"""Which module an operator of a .pte file comes from: it has a number, and whoever lowered it knows its meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """Of one method.

    Attributes:
        modules: By the handle that operators of delegates keep, the dotted name of the module.
        handles: By the number of an instruction of the method, its handle, or all that went into the delegate it calls.
    """

    modules: Mapping[int, str]
    handles: Mapping[int, int | Sequence[int]]

    def of(self, handle: int) -> str:
        """Return the module of an operator of a delegate; "" of those that no module computes."""
        return self.modules.get(handle, "")

    def of_instruction(self, number: int) -> str:
        """Return the module of an instruction of the method; "" of calls of delegates."""
        handle = self.handles.get(number)
        return self.of(handle) if isinstance(handle, int) else ""

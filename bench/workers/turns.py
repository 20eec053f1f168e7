"""Taking turns: measuring processes that run one at a time, a slice each, round and round.

Two processes that are measured one after another see two different machines wherever neighbours come and go within
seconds. Two that take turns of some hundredths of a second see the same one, and their ratio is several times steadier.

A conductor listens on a socket whose path the measuring processes find in the environment. Each asks before a run and
holds its turn until its slice is over; the turn then goes to the next one in order of arrival. Whoever ends or dies
drops out, and the others go on.
"""

import math
import os
import selectors
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

VARIABLE = "MINIVLM_BENCH_TURNS"
"""Environment variable with the path of the conductor's socket."""
SLICE_SECONDS = 0.03
"""Long enough that waking up is small beside it, short enough that a machine rarely changes within it."""
REST_SECONDS = 0.01
"""Between turns: threads of whoever ran may spin for some milliseconds before they sleep, beside the next one's."""
POLL_SECONDS = 0.5
ASK, GRANT, PASS, FEWER = b"?", b"!", b".", b"-"


class Turn:
    """A measuring process's side. Without a conductor every turn is granted at once."""

    def __init__(self, path: str | None = None) -> None:
        self._path = path or os.environ.get(VARIABLE)
        self._socket: socket.socket | None = None
        self._since: float | None = None

    def take(self) -> bool:
        """Wait for a turn, or go on with the one that is held while its slice lasts. Call before every run.

        Returns:
            Whether it began just now, after others had theirs.
        """
        if self._path is None or (self._since is not None and time.perf_counter() - self._since < SLICE_SECONDS):
            return False
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX)
                self._socket.connect(self._path)
            self._socket.sendall(ASK if self._since is None else PASS + ASK)
            if self._socket.recv(1) != GRANT:
                raise ConnectionError
            self._since = time.perf_counter()
        except OSError:  # the conductor is gone: nobody is left to wait for
            self.close()
            return False
        return True

    def close(self) -> None:
        """Leave the round; nothing is waited for any more."""
        if self._socket is not None:
            self._socket.close()
        self._path = self._socket = None

    def __enter__(self) -> "Turn":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


class Conductor:
    """Gives turns once as many processes as expected have asked for their first one.

    Attributes:
        path: Of the socket.
        patience: Seconds after which a turn that others wait for is over, so that none is lost with one that hangs.
    """

    def __init__(self, path: Path, expected: int, patience: float = math.inf) -> None:
        self.path = path
        self.patience = patience
        self._expected = expected
        self._granted = 0.0
        self._passed = -math.inf
        self._last: socket.socket | None = None
        self._came = threading.Semaphore(0)
        self._first_asked: set[socket.socket] = set()
        self._queue: list[socket.socket] = []
        self._members: list[socket.socket] = []
        self._holder: socket.socket | None = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._signal, self._signalled = socket.socketpair()
        self._thread = threading.Thread(target=self._conduct, daemon=True)
        self._thread.start()

    def wait_for_next(self, ended: Callable[[], bool], patience: float = math.inf) -> None:
        """Wait until one more process has come, so that nothing is loaded while another is measured.

        One that ends without coming, as a base from before there were turns does, is struck off, and so is one that
        hangs: the others go on without it.

        Args:
            ended: Tells whether it has ended.
            patience: Seconds to wait for it.
        """
        end = time.monotonic() + patience
        while not self.wait_for_one(POLL_SECONDS):
            if ended() or time.monotonic() > end:
                self.expect_fewer()
                return

    def wait_for_one(self, seconds: float) -> bool:
        """Wait until one more process has come, that is, has loaded what it measures; tells whether it has."""
        return self._came.acquire(timeout=seconds)

    def expect_fewer(self) -> None:
        """Stop waiting for a process that ended before it came."""
        self._signal.send(FEWER)

    def close(self) -> None:
        """End; processes that still wait go on without turns."""
        self._signal.close()
        self._thread.join()

    def _conduct(self) -> None:
        with selectors.DefaultSelector() as selector:
            for source in (self._listener, self._signalled):
                selector.register(source, selectors.EVENT_READ)
            ended = False
            while not ended:
                for key, _ in selector.select(self._seconds_to_wait()):
                    if key.fileobj is self._listener:
                        self._welcome(selector)
                    elif key.fileobj is self._signalled:
                        said = self._signalled.recv(16)
                        self._expected -= said.count(FEWER)
                        ended = ended or not said
                    else:
                        self._hear(key.fileobj, selector)
                if self._seconds_left() == 0.0:
                    self._take_back()
                self._grant()
        for each in (*self._members, self._listener, self._signalled):
            each.close()

    def _welcome(self, selector: selectors.BaseSelector) -> None:
        member, _ = self._listener.accept()
        self._members.append(member)
        selector.register(member, selectors.EVENT_READ)

    def _hear(self, member: Any, selector: selectors.BaseSelector) -> None:
        said = _receive(member)
        if self._holder is member and (PASS in said or not said):
            self._take_back()
        if ASK in said:
            self._queue.append(member)
            # Not when it connects: whoever is slow between the two would miss the first round.
            if member not in self._first_asked:
                self._first_asked.add(member)
                self._came.release()
        if not said:
            selector.unregister(member)
            self._queue = [each for each in self._queue if each is not member]
            member.close()

    def _take_back(self) -> None:
        self._last, self._holder = self._holder, None
        self._passed = time.monotonic()

    def _seconds_to_wait(self) -> float | None:
        """Return after how long there is something to do though nobody has said anything; None for never."""
        if self._holder is None and self._ready():
            return self._rest_left()
        return self._seconds_left()

    def _ready(self) -> bool:
        """Tell whether somebody waits for a turn, and all are there."""
        return bool(self._queue) and len(self._first_asked) >= self._expected

    def _rest_left(self) -> float:
        """Return how long the next one has to wait; who had the last turn, too, not at all."""
        rest = 0.0 if self._queue[0] is self._last else REST_SECONDS
        return max(0.0, self._passed + rest - time.monotonic())

    def _seconds_left(self) -> float | None:
        """Return how long the turn may still last; None while it may last for ever."""
        if self._holder is None or not self._queue or math.isinf(self.patience):
            return None
        return max(0.0, self._granted + self.patience - time.monotonic())

    def _grant(self) -> None:
        if self._holder is None and self._ready() and self._rest_left() == 0.0:
            self._holder = self._queue.pop(0)
            self._granted = time.monotonic()
            with suppress(OSError):  # where it is gone, the selector says so next
                self._holder.sendall(GRANT)


def _receive(source: socket.socket) -> bytes:
    try:
        return source.recv(16)
    except OSError:
        return b""


@contextmanager
def conducting(expected: int, patience: float = math.inf) -> Iterator[Conductor]:
    """Conduct processes while the block runs; give them `VARIABLE` with the conductor's path. See `Conductor`."""
    with tempfile.TemporaryDirectory(prefix="turns-") as folder:
        conductor = Conductor(Path(folder) / "socket", expected, patience)
        try:
            yield conductor
        finally:
            conductor.close()

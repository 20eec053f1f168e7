"""Keeping what libraries print, warn and log off the terminal, also from native code."""

import logging
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO, Any, Generic, TypeVar

Held = TypeVar("Held")

LAST_LINES = 12
LAST_BYTES = 8192
"""How much of what was held back is told when something fails."""


class Shared(Generic[Held]):
    """A state of the whole process: the first block that wants it enters it, the last one to end leaves it.

    Blocks of any thread are counted, so that none puts back what another one still needs. A process that is forked
    meanwhile counts the blocks of its one thread only.

    Args:
        enter: Makes the context manager of the state.
    """

    def __init__(self, enter: Callable[[], AbstractContextManager[Held]]) -> None:
        self._enter = enter
        self._lock = threading.Lock()
        self._inside: list[int] = []  # a thread's identifier for each block
        self._state: AbstractContextManager[Held] | None = None
        self._held: Any = None
        self._watches_forks = False

    @contextmanager
    def entered(self) -> Iterator[Held]:
        """Be within the state while the block runs."""
        with self._lock:
            self._join()
        try:
            yield self._held
        finally:
            with self._lock:
                self._inside.remove(threading.get_ident())
                self._leave()

    def _join(self) -> None:
        self._inside.append(threading.get_ident())
        try:
            if self._state is None:
                self._watch_forks()
                state = self._enter()
                self._held = state.__enter__()
                self._state = state
        except BaseException:
            self._inside.remove(threading.get_ident())
            raise

    def _leave(self) -> None:
        if self._inside or self._state is None:
            return
        state, self._state, self._held = self._state, None, None
        state.__exit__(None, None, None)

    def _watch_forks(self) -> None:
        if not self._watches_forks and hasattr(os, "register_at_fork"):
            self._watches_forks = True
            os.register_at_fork(
                before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._forked
            )

    def _forked(self) -> None:
        self._inside = [thread for thread in self._inside if thread == threading.get_ident()]
        self._leave()
        self._lock.release()


@contextmanager
def _redirected(descriptor: int) -> Iterator[IO[bytes] | None]:
    """Point a file descriptor to a file that nobody else sees; None where it is not open."""
    try:
        saved = os.dup(descriptor)
    except OSError:
        yield None
        return
    try:
        _flush()
        with tempfile.TemporaryFile(buffering=0) as held:
            os.dup2(held.fileno(), descriptor)
            try:
                yield held
                _flush()
            finally:
                os.dup2(saved, descriptor)
    finally:
        os.close(saved)


@contextmanager
def _unwarned() -> Iterator[None]:
    """Keep warnings and log entries from being shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(level)


# These belong to the process, and so does who holds them.
_STDOUT = Shared(lambda: _redirected(1))
_STDERR = Shared(lambda: _redirected(2))
_NO_WARNINGS = Shared(_unwarned)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what libraries print, warn and log off the terminal, also from native code.

    Compilers and runtimes write to file descriptors 1 and 2 directly, so these are redirected for the whole process
    while the block runs: this is for commands, who know what else goes on. If the block raises, the last lines that
    were held back are attached to the exception as notes, because that is where native code says what went wrong.
    """
    with _held_back(_STDOUT), _held_back(_STDERR), _NO_WARNINGS.entered():
        yield


@contextmanager
def without_announcements() -> Iterator[None]:
    """Keep off the terminal what runtimes announce on stderr while they load, in a process that has other threads.

    Those may print meanwhile: stdout is left alone.
    """
    with _held_back(_STDERR):
        yield


@contextmanager
def overheard() -> Iterator[Callable[[], str]]:
    """Keep off the terminal what native code says, and give what tells what it said on stderr since the block began.

    Where several threads do this at once, each is told what the others' code says meanwhile.
    """
    with _held_back(_STDOUT), _STDERR.entered() as held:
        start = _size(held)
        yield lambda: _since(held, start)


@contextmanager
def _held_back(stream: Shared[IO[bytes] | None]) -> Iterator[None]:
    with stream.entered() as held:
        start = _size(held)
        try:
            yield
        except Exception as error:
            for note in _tail(held, start):
                error.add_note(note)
            raise


def _size(held: IO[bytes] | None) -> int:
    return os.fstat(held.fileno()).st_size if held is not None else 0


def _tail(held: IO[bytes] | None, start: int) -> list[str]:
    """Return the last lines since `start`, without moving the place at which others go on writing."""
    return _since(held, max(start, _size(held) - LAST_BYTES)).splitlines()[-LAST_LINES:]


def _since(held: IO[bytes] | None, start: int) -> str:
    """Return what was held back from a place on."""
    if held is None:
        return ""
    _flush()
    return os.pread(held.fileno(), max(0, _size(held) - start), start).decode(errors="replace")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()

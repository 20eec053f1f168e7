"""Another state of the repository beside the working one, for as long as it is needed."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minivlm.errors import UserError, printable
from minivlm.process import terminable


@contextmanager
def checked_out(repository: Path, reference: str) -> Iterator[Path]:
    """Check a reference out into a temporary worktree, which is removed afterwards, also on Ctrl-C and termination.

    Raises:
        UserError: Not a git repository, no such reference, or it cannot be checked out.
    """
    repository_there = _git(repository, "rev-parse", "--git-dir")
    if repository_there.returncode:
        raise UserError(f"{repository} is no git checkout ({_complaint(repository_there)}): --base needs its history")
    found = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
    if found.returncode:
        raise UserError(
            f"--base {printable(reference)}: no such commit in {repository}; give a branch, tag or hash that is here "
            "(a shallow clone lacks most: git fetch --unshallow)"
        )
    with terminable(), tempfile.TemporaryDirectory(prefix="base-") as folder:
        tree = Path(folder) / "tree"
        try:
            added = _git(repository, "worktree", "add", "--detach", "--force", str(tree), found.stdout.strip())
            if added.returncode:
                raise UserError(f"--base {printable(reference)}: git cannot check it out ({_complaint(added)})")
            yield tree
        finally:
            _git(repository, "worktree", "remove", "--force", "--force", str(tree))
            _git(repository, "worktree", "prune")


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", "-C", str(repository), *arguments], capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError:
        raise UserError("git is not installed: it is needed to check the base out") from None


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line that git said."""
    said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return printable(said[-1].removeprefix("fatal: "))

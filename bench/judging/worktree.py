"""Another state of the repository beside the working one, for as long as it is needed."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minivlm.errors import UserError
from minivlm.process import terminable


@contextmanager
def checked_out(repository: Path, reference: str) -> Iterator[Path]:
    """Check a reference out into a temporary worktree, which is removed afterwards, also on Ctrl-C and termination.

    Raises:
        UserError: Not a git repository, or no such reference.
    """
    commit = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
    if commit is None:
        raise UserError(
            f"--base {reference}: no such commit in {repository}; give a branch, tag or hash that is here (a shallow "
            "clone lacks most: git fetch --unshallow)"
        )
    with terminable(), tempfile.TemporaryDirectory(prefix="base-") as folder:
        tree = Path(folder) / "tree"
        try:
            if _git(repository, "worktree", "add", "--detach", "--force", str(tree), commit.strip()) is None:
                raise UserError(f"--base {reference}: git cannot check it out into {tree}; is the disk full?")
            yield tree
        finally:
            _git(repository, "worktree", "remove", "--force", "--force", str(tree))
            _git(repository, "worktree", "prune")


def _git(repository: Path, *arguments: str) -> str | None:
    """Return what git prints; None where it fails."""
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("git is not installed: it is needed to check the base out") from None
    return done.stdout if done.returncode == 0 else None

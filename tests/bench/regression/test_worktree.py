"""A commit checked out beside the working tree, and gone afterwards."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.regression.worktree import checked_out
from minivlm.errors import UserError


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path) -> Path:
    git(tmp_path, "init", "--quiet")
    for text in ("old", "new"):
        (tmp_path / "file").write_text(text)
        git(tmp_path, "add", "file")
        git(tmp_path, "commit", "--quiet", "--message", text)
    return tmp_path


def trees(repository: Path) -> int:
    return len(git(repository, "worktree", "list").splitlines())


def test_holds_the_commit_and_leaves_nothing_behind(repository):
    with checked_out(repository, "HEAD~1") as tree:
        assert (tree / "file").read_text() == "old"
        assert (repository / "file").read_text() == "new"
    assert not tree.exists()
    assert trees(repository) == 1


@pytest.mark.parametrize("reference", ["nowhere", "--all", "HEAD:file", ""])
def test_what_is_no_commit_is_refused(repository, reference):
    with pytest.raises(UserError, match="no such commit"), checked_out(repository, reference):
        pass
    assert trees(repository) == 1


def test_outside_of_a_checkout_git_s_reason_is_said(tmp_path):
    with pytest.raises(UserError, match=r"is no git checkout \(.*not a git repository"), checked_out(tmp_path, "HEAD"):
        pass


def test_an_error_within_leaves_nothing_behind(repository):
    with pytest.raises(ValueError, match="within"), checked_out(repository, "HEAD") as tree:
        raise ValueError("within")
    assert (tree.exists(), trees(repository)) == (False, 1)


def test_termination_leaves_nothing_behind(repository):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom bench.regression.worktree import checked_out\n"
        "with checked_out(Path(sys.argv[1]), 'HEAD') as tree:\n print(tree, flush=True)\n time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(repository)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    tree = Path(process.stdout.readline().strip())
    assert tree.exists()
    process.terminate()
    process.communicate()
    assert (tree.exists(), trees(repository)) == (False, 1)

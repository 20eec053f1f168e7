"""The values kept in the repository are those of the code."""

import json

import pytest

from bench.baseline import deterministic_counts, differences, main, read_baseline
from minivlm.errors import UserError
from minivlm.models.registry import list_models


def test_the_code_gives_the_figures_that_are_kept():
    found = deterministic_counts(list_models())
    changed = differences(read_baseline(), found)
    assert not changed, f"{changed}: if this was meant, run python bench/baseline.py --renew"


def test_a_difference_is_named():
    kept = {"a": {"total": {"params": 1000, "macs": 5}}}
    assert differences(kept, {"a": {"total": {"params": 1001, "macs": 5}}}) == ["a, total, params: 1,000 became 1,001"]
    assert differences(kept, {}) == ["a, total, params: 1,000 became nothing", "a, total, macs: 5 became nothing"]
    assert differences({}, kept)[0] == "a, total, params: nothing became 1,000"


def test_renewed_figures_are_equal_and_others_end_with_1(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("bench.baseline.BASELINE", tmp_path / "baseline.json")
    monkeypatch.setattr("bench.baseline.list_models", lambda: ["tee-tiny"])
    main(["--renew"])
    kept = json.loads((tmp_path / "baseline.json").read_text())
    kept["figures"]["tee-tiny"]["total"]["macs"] += 1
    (tmp_path / "baseline.json").write_text(json.dumps(kept))
    monkeypatch.setattr("bench.baseline.read_baseline", lambda: read_baseline(tmp_path / "baseline.json"))
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 1
    assert "tee-tiny, total, macs" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_damaged_file_is_a_user_s_error(tmp_path, content):
    (tmp_path / "baseline.json").write_text(content)
    with pytest.raises(UserError, match="--renew"):
        read_baseline(tmp_path / "baseline.json")

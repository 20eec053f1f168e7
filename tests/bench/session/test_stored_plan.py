"""The plan that a run leaves is read again by `--resume` as it was made, or refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.measure.plan import Plan
from bench.session import session as sessions
from bench.session.session import Session
from minivlm.errors import UserError
from tests.bench.plans import plan
from tests.bench.session.costless import begun


class TestStoredPlan:
    """What `--resume` finds in a folder may be another version's, or edited."""

    @pytest.fixture
    def stored(self, tmp_path) -> dict:
        begun(tmp_path, "--threads", 2, "--timeout", 30, "--image-size", 64, "--sustained", 2)
        return json.loads((tmp_path / "plan.json").read_text())

    def refused(self, folder: Path, stored: dict) -> str:
        (folder / "plan.json").write_text(json.dumps(stored))
        with pytest.raises(UserError, match="start a new run without --resume") as caught:
            Session.last(folder)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_is_the_plan_that_was_made(self, tmp_path, stored):
        session = Session.last(tmp_path)
        assert session.run == stored["run"]
        assert replace(session.plan, image_size=None) == plan(
            *("--models", "minilm-tiny", "--threads", 2, "--timeout", 30, "--sustained", 2)
        )
        assert session.plan.image_size == (64, 64)

    @pytest.mark.parametrize("name", sorted(Plan.__dataclass_fields__))
    @pytest.mark.parametrize("value", [True, {}, [[3]], ["x", 3]])
    def test_with_a_field_of_another_type_is_refused(self, tmp_path, stored, name, value):
        self.refused(tmp_path, {**stored, "plan": {**stored["plan"], name: value}})

    @pytest.mark.parametrize("name", sorted(Plan.__dataclass_fields__))
    def test_without_a_field_is_refused_and_the_field_named(self, tmp_path, stored, name):
        del stored["plan"][name]
        assert name in self.refused(tmp_path, stored)

    def test_with_more_is_refused(self, tmp_path, stored):
        self.refused(tmp_path, {**stored, "plan": {**stored["plan"], "colour": 3}})
        self.refused(tmp_path, {**stored, "colour": 3})
        stored["plan"]["weights"]["colour"] = 3
        self.refused(tmp_path, stored)

    @pytest.mark.parametrize("name", ["models", "threads", "precisions"])
    def test_with_nothing_to_measure_is_refused(self, tmp_path, stored, name):
        self.refused(tmp_path, {**stored, "plan": {**stored["plan"], name: []}})


def test_the_plan_is_plain_json(tmp_path):
    session = begun(tmp_path, "--threads", 4)
    stored = json.loads((tmp_path / "plan.json").read_text())
    assert stored["run"] == session.run
    assert (stored["plan"]["threads"], stored["plan"]["sustained"]) == ([4], None)
    assert sessions.RECORDS == "records.jsonl"

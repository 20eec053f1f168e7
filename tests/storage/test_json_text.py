"""What is written as JSON is JSON: RFC 8259 has no NaN and no infinities."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minivlm.errors import UserError
from minivlm.storage.json_text import json_text

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def holds_no_number(value: object) -> bool:
    if isinstance(value, dict | list):
        return any(map(holds_no_number, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and not math.isfinite(value)


@given(values)
def test_all_that_json_can_hold_comes_back_and_all_else_is_refused(value):
    if holds_no_number(value):
        with pytest.raises(UserError):
            json_text(value)
    else:
        assert json.loads(json_text(value), parse_constant=refuse) == value


def test_the_message_says_where():
    with pytest.raises(UserError, match=r"^matches\[1\]\.logits\[0\] is nan, "):
        json_text({"matches": [{"logits": (0.5, 1.0)}, {"logits": (math.nan, 1.0)}]})

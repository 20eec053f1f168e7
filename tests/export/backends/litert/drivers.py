"""Tests that run on LiteRT's GPU accelerator need a driver; without one they say so."""

import pytest

from export.drivers.vulkan import find_driver
from minivlm.errors import UserError


def reason_against() -> str:
    """Return why there is no driver; "" where there is one."""
    try:
        find_driver()
    except UserError as error:
        return str(error)
    return ""


needs_driver = pytest.mark.skipif(bool(reason_against()), reason=reason_against())

# SPDX-License-Identifier: Apache-2.0
"""For all tests of the hardware and of the tools."""

from __future__ import annotations

import pytest

import golden.tests.fuzzing  # noqa: F401  # loads its profile
from tb.settings import SettingError, settings


def pytest_configure() -> None:
    """End in one line when a variable of the environment has a bad value."""
    try:
        settings()
    except SettingError as error:
        raise pytest.UsageError(str(error)) from None

# SPDX-License-Identifier: Apache-2.0
"""The list of deliberate faults fits the RTL: `make faults` plants them, this is the quick part."""

from __future__ import annotations

import pytest

from tb.fault_file import Fault, read_faults
from tb.paths import REPO

FAULTS = read_faults()
CONSTANTS = {"edgedrnn_reg_pkg.sv"}  # generated, and without logic


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_plantable_faults(fault: Fault) -> None:
    """Could break: a fault that no longer fits after a change of the RTL, so that nobody plants it.
    What it replaces occurs exactly once in its file, and the file of the test that must see it is
    there.
    """
    assert (REPO / "rtl" / fault.file).read_text().count(fault.old) == 1
    assert fault.old != fault.new
    assert (REPO / fault.test.partition("::")[0]).is_file()


def test_fault_in_every_file() -> None:
    """Could break: a module that nobody has ever seen a test catch."""
    files = {path.name for path in (REPO / "rtl").glob("*.sv")} - CONSTANTS
    assert files == {fault.file for fault in FAULTS}

# SPDX-License-Identifier: Apache-2.0
"""Failures as data: what an exception says, what a file keeps, how classes are called."""

from __future__ import annotations

from pathlib import Path

import cocotb.regression
import cocotb.triggers
import numpy as np
import pytest

import tb.failure
from tb.agents.axil import AxiLiteTimeoutError
from tb.checks.compare import ACCUMULATOR, MismatchError, vector_difference
from tb.device.driver import DeviceTimeoutError
from tb.failure import (
    KIND_OF_ERROR,
    BuildError,
    CheckerError,
    Complaint,
    Design,
    Difference,
    Failure,
    HangError,
    Kind,
    ReportedError,
    Run,
    failure_of,
    forget,
    read_failure,
    read_run,
)
from tb.records import RecordError
from tb.sim.checker_log import complaints

RUN = Run(
    design=Design("icarus", "top", {"Width": 4}, Path("/build/top")),
    module="m",
    test_filter="f$",
    seed=7,
    node="test_x.py::test_y",
    log=Path("/run/sim.log"),
    reproduce="SEED=7 python -m pytest test_x.py::test_y",
    waves=Path("/run/top.fst"),
    waves_truncated=True,
)


def test_names_of_exceptions() -> None:
    """Could break: a class that is renamed, so that a hang counts as any failed test."""
    ours = [MismatchError, CheckerError, HangError, AxiLiteTimeoutError, DeviceTimeoutError]
    theirs = [cocotb.triggers.SimTimeoutError, cocotb.regression.SimFailure]
    assert set(KIND_OF_ERROR) == {one.__name__ for one in [*ours, *theirs]}
    for one in ours:
        if issubclass(one, ReportedError):
            assert KIND_OF_ERROR[one.__name__] is one.kind


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    """Could break: a field that the file loses, or a damaged file taken for no failure."""
    difference = Difference("layer 1, element 2", 0, 1, 2, "z", 5, -6)
    failure = Failure(Kind.MISMATCH, "m", RUN, None, difference, [Complaint("a.b", "X")])
    RUN.write(tmp_path)
    failure.write(tmp_path)
    assert (read_run(tmp_path), read_failure(tmp_path)) == (RUN, failure)
    (tmp_path / tb.failure.FAILURE_FILE).write_text('{"kind": "sad", "message": "m"}')
    with pytest.raises(RecordError, match=r"Failure: .*sad"):
        read_failure(tmp_path)
    forget(tmp_path)
    assert read_run(tmp_path) is None and read_failure(tmp_path) is None


def test_message_of_an_exception() -> None:
    """Could break: a failure without a kind, or whose message is a page long."""
    known = Failure(Kind.TIMED_OUT, "late", RUN)
    assert failure_of(ReportedError("late\nand more", known)) == known
    assert failure_of(HangError("h: not in 5 cycles\nmore")).kind is Kind.HANG
    assert failure_of(BuildError("x.sv: no")) == Failure(Kind.BUILD_FAILED, "x.sv: no")
    assert failure_of(ZeroDivisionError("oh\nno")).message == "ZeroDivisionError: oh"
    assert failure_of(AssertionError()).message == "AssertionError: failed without a message"


def test_location_of_a_mismatch(tmp_path: Path) -> None:
    """Could break: step, layer, element and values of a difference that only the text has."""
    found = vector_difference(
        "gate z", np.array([1, 2, 3]), np.array([1, 5, 3]), ACCUMULATOR, gate="z"
    )
    assert found is not None
    error = MismatchError(found.in_layer(2), 4)
    difference = failure_of(error).difference
    assert difference == Difference(str(error), 4, 2, 1, "z", 2, 5)
    assert str(error).startswith("step 4, layer 2, element 1, gate z: expected ")
    error.attach(RUN, tmp_path)
    assert read_failure(tmp_path) == Failure(Kind.MISMATCH, str(error), RUN, None, difference)


def test_lines_of_the_checkers(tmp_path: Path) -> None:
    """Could break: a path or rule read wrongly, or a log of a million lines kept in a record."""
    log = tmp_path / "sim.log"
    lines = "no CHECKER a: X", "CHECKER top.u_x: NOT_STABLE payload at 5", "CHECKER t: B_RESP 1"
    log.write_text("\n".join(lines))
    assert complaints(log) == [Complaint("top.u_x", "NOT_STABLE"), Complaint("t", "B_RESP")]
    assert complaints(log, 1) == [Complaint("top.u_x", "NOT_STABLE")]

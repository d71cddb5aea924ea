# SPDX-License-Identifier: Apache-2.0
"""The analytic timing model: cases that can be counted by hand, and how it bends."""

import numpy as np

from golden import timing, workloads
from golden.integer import IntegerGru

H = 256
COLUMN = 3 * H // 8  # beats at 64 bits
NONE = np.zeros(0, np.int64)


def pattern(columns_x, columns_h, layers=1):
    return [(timing.spread(columns_x, H), timing.spread(columns_h, H)) for _ in range(layers)]


def test_back_to_back_period():
    """Could break: time lost or won between passes. With many columns the port never rests: a
    period is the columns' beats and one cycle for the end of each of the two passes.
    """
    steps = [pattern(20, 60)] * 12
    says = timing.predict(steps, H, (H,))
    assert set(says.period[4:]) == {80 * COLUMN + 2}


def test_latency_after_a_gap():
    """Could break: recurrent columns that are put on the way of x. More of them leave the latency
    as it is; more input columns cost their beats.
    """
    few, many, wide = (
        timing.predict([pattern(*c)] * 6, H, (H,), interval=50_000).latency[3:]
        for c in ((10, 20), (10, 90), (30, 20))
    )
    assert (few == many).all()
    assert (wide - few == 20 * COLUMN).all()


def test_latency_of_two_quiet_layers():
    """Could break: a division by nothing, or beats where there are none, when no element fires."""
    says = timing.predict([[(NONE, NONE)] * 2] * 5, 40, (H, H), interval=1000)
    assert (says.latency[1:] < 260).all() and (says.latency > 2 * H // 8).all()


def test_effect_of_memory_timing():
    """Could break: latency that is paid for each column, bandwidth that is not. 200 cycles to the
    first beat are paid once a layer after a gap; half the bandwidth doubles a long period.
    """
    steps = [pattern(20, 60)] * 8
    ideal = timing.predict(steps, H, (H,), interval=50_000).latency[4:]
    far = timing.MemoryTiming(latency=201)
    late = timing.predict(steps, H, (H,), memory=far, interval=50_000).latency[4:]
    assert (late - ideal == 200).all()
    half = timing.predict(steps, H, (H,), memory=timing.MemoryTiming(1, 0.5)).period[4:].mean()
    whole = timing.predict(steps, H, (H,)).period[4:].mean()
    assert abs(half / whole - 2) < 0.01


def test_workload_firing_near_the_reference():
    """Could break: a workload that has less to do than the one it is compared with. Columns a step
    of each, against the table of the reference core, within 15 %.
    """
    table = {"2L-16H": 21, "1L-256H": 51.5, "2L-256H": 130.7, "2L-512H": 227.5, "2L-768H": 303.6}
    for name, columns in table.items():
        work = workloads.WORKLOADS[name]
        golden = IntegerGru(work.model())
        traces = [golden.step(row) for row in work.x(120 if "16H" in name else 28)]
        fired = [sum(len(v) for pair in step for v in pair) for step in timing.fired_of(traces)]
        assert abs(np.mean(fired[workloads.SETTLED :]) / columns - 1) < 0.15, name


def test_published_table_from_the_reference_formula():
    """Could break: the yardstick. The table's columns give its cycles within half a per cent."""
    rows = {
        (256,): ([51.5], 5118, 0),
        (256, 256): ([65.3, 65.4], 12907, 0),
        (512, 512): ([113.7, 113.8], 44358, 0),
        (768, 768): ([108.1, 195.4], 88425, 0),
    }
    for hidden, (columns, cycles, latency) in rows.items():
        found = workloads.reference_cycles(columns, hidden, 40, latency)
        assert abs(found / cycles - 1) < 0.005, hidden
    assert workloads.reference_cycles([10.5, 10.5], (16, 16), 8) < 190

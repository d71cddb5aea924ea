# SPDX-License-Identifier: Apache-2.0
"""The integer model against a scalar one, and the laws that a delta-GRU obeys."""

import dataclasses

import numpy as np
import pytest

from golden import fixed
from golden.integer import IntegerGru, encode_delta, run
from golden.model_file import ModelFileError
from golden.stimulus import KINDS, random_inputs, random_model
from golden.tests import scalar_reference

# Input width, hidden widths, table precision, thresholds.
SHAPES = [
    (1, (8,), 8, 0, 0),
    (3, (8,), 4, 5, 9),
    (7, (16, 8), 6, (0, 40), (12, 0)),
    (5, (8, 24, 8), 5, 64, 64),
    (9, (16, 8, 8, 16), 7, (1, 2, 3, 4), (300, 20, 0, 64)),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [None, 0.5])
@pytest.mark.parametrize(("inputs", "hidden", "f", "theta_x", "theta_h"), SHAPES)
def test_equality_to_scalar_reference(inputs, hidden, f, theta_x, theta_h, scale, kind):
    rng = np.random.default_rng([inputs, f, KINDS.index(kind), scale is None])
    model = random_model(rng, inputs, hidden, f, scale, theta_x, theta_h)
    x = random_inputs(rng, 12, inputs, kind, int(model.theta_x[0]))
    for trace, expected in zip(run(model, x), scalar_reference.run(model, x), strict=True):
        for layer, (h, memory, dx, dh) in zip(trace.layers, expected, strict=True):
            assert layer.dx.tolist() == dx
            assert layer.dh.tolist() == dh
            assert layer.memory.tolist() == memory
            assert layer.h.tolist() == h


def test_memory_wrap_around():
    """A bias at the top of int32 and one positive product: the sum comes out at the bottom."""
    rng = np.random.default_rng(0)
    model = random_model(rng, 1, (8,), weight_scale=0.5)
    model.weight_ih[0][:] = 1
    model.bias[0][:] = fixed.ACC_MAX
    gru = IntegerGru(model)
    trace = gru.step(np.array([5])).layers[0]
    assert (trace.memory[:3] == fixed.ACC_MIN + 4).all()
    assert (trace.memory[3] == fixed.ACC_MAX).all()
    assert (trace.q_r == fixed.X_MIN).all()


def test_wrap_around_of_random_extreme_models():
    """The stimulus of the tests above reaches the wrap-around, or they would not test it."""
    rng = np.random.default_rng(3)
    model = random_model(rng, 8, (16,))
    bias = model.bias[0].astype(np.int64)
    traces = run(model, random_inputs(rng, 20, 8, "uniform"))
    change = np.abs(traces[-1].layers[0].memory - bias)
    assert change.max() > 2**31


@pytest.mark.parametrize("hidden", [(8,), (16, 24)])
def test_dense_products_at_theta_0(hidden):
    """W x + b of the whole vectors, one product a step, is what the deltas add up to."""
    rng = np.random.default_rng(5)
    model = random_model(rng, 6, hidden, weight_scale=0.9)
    x = random_inputs(rng, 30, 6, "walk")
    h_before = [np.zeros(h, np.int64) for h in hidden]
    for row, trace in zip(x, run(model, x), strict=True):
        value = row.astype(np.int64)
        for i, layer in enumerate(trace.layers):
            size = hidden[i]
            from_x = model.weight_ih[i].astype(np.int64) @ value
            from_h = model.weight_hh[i].astype(np.int64) @ h_before[i]
            dense = model.bias[i].astype(np.int64)
            dense[0] += from_x[:size] + from_h[:size]
            dense[1] += from_x[size : 2 * size] + from_h[size : 2 * size]
            dense[2] += from_x[2 * size :]
            dense[3] += from_h[2 * size :]
            assert np.array_equal(layer.memory, fixed.wrap32(dense))
            value = h_before[i] = layer.h.astype(np.int64)


@pytest.mark.parametrize("kind", ["walk", "quiet", "burst"])
def test_no_reads_at_the_largest_theta(kind):
    rng = np.random.default_rng(6)
    model = random_model(rng, 6, (16, 8), theta_x=fixed.THETA_MAX, theta_h=fixed.THETA_MAX)
    traces = run(model, random_inputs(rng, 40, 6, kind))
    assert sum(trace.dram_bytes for trace in traces) == 0
    for trace in traces:
        for layer, bias in zip(trace.layers, model.bias, strict=True):
            assert np.array_equal(layer.memory, bias)


@pytest.mark.parametrize(
    ("value", "reference", "delta"),
    [
        (32767, 0, 32767),
        (-32768, 0, -32768),
        (-32767, 0, -32767),
        (32766, 0, 0),
        (-32766, 0, 0),
        (32767, -32768, 32767),
        (-32768, 32767, -32768),
    ],
)
def test_saturated_delta_at_the_largest_theta(value, reference, delta):
    found, fired = encode_delta(
        np.array([value], np.int16), np.array([reference], np.int16), fixed.THETA_MAX
    )
    assert found.tolist() == [delta]
    assert len(fired) == (delta != 0)


@pytest.mark.parametrize("theta", [1, 2, 64, 32766])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("reference", [0, 100, -100])
def test_firing_at_and_just_below_the_threshold(theta, sign, reference):
    sizes = np.array([theta - 1, theta, theta + 1])
    values = np.clip(reference + sign * sizes, fixed.X_MIN, fixed.X_MAX).astype(np.int16)
    delta, fired = encode_delta(values, np.full(3, reference, np.int16), theta)
    assert delta[0] == 0
    expected = np.flatnonzero(np.abs(values.astype(int) - reference) >= theta)
    assert fired.tolist() == expected.tolist()
    assert fired.tolist()[:1] == [1] or abs(int(values[1]) - reference) < theta


def test_firing_on_any_change_at_theta_0():
    values = np.array([4, 5, 6], np.int16)
    delta, fired = encode_delta(values, np.full(3, 5, np.int16), 0)
    assert delta.tolist() == [-1, 0, 1]
    assert fired.tolist() == [0, 2]


@pytest.mark.parametrize("theta", [0, 1, 64, 20000, 32767])
def test_edge_stimulus_at_the_edges(theta):
    rng = np.random.default_rng(8)
    model = random_model(rng, 32, (8,), theta_x=theta)
    x = random_inputs(rng, 30, 32, "edges", theta)
    reference = np.zeros(32, np.int64)
    seen = set()
    for row, trace in zip(x, run(model, x), strict=True):
        seen |= set((row - reference).tolist())
        reference = trace.layers[0].x_ref.astype(np.int64)
    sizes = {max(theta, 1) + e for e in (-1, 0, 1)}
    assert {abs(d) for d in seen} == sizes
    assert min(seen) < 0 < max(seen)


def test_byte_accounting_of_traces():
    """Bytes not read are the columns skipped, 3H bytes each."""
    rng = np.random.default_rng(9)
    model = random_model(rng, 6, (16, 8), weight_scale=1, theta_x=30, theta_h=30)
    dense = sum(w.nbytes for w in (*model.weight_ih, *model.weight_hh))
    for trace in run(model, random_inputs(rng, 40, 6, "walk")):
        skipped = 0
        for layer in trace.layers:
            assert layer.fired_x.tolist() == np.flatnonzero(layer.dx).tolist()
            assert layer.fired_h.tolist() == np.flatnonzero(layer.dh).tolist()
            width = 3 * len(layer.h)
            skipped += (len(layer.dx) - layer.columns_x + len(layer.dh) - layer.columns_h) * width
        assert trace.dram_bytes == dense - skipped


def test_trace_immutability():
    rng = np.random.default_rng(10)
    gru = IntegerGru(random_model(rng, 4, (8, 8)))
    first = gru.step(random_inputs(rng, 1, 4)[0])
    copies = [
        {f.name: getattr(layer, f.name).copy() for f in dataclasses.fields(layer)}
        for layer in first.layers
    ]
    for row in random_inputs(rng, 5, 4):
        gru.step(row)
    for layer, copy in zip(first.layers, copies, strict=True):
        for name, value in copy.items():
            assert np.array_equal(getattr(layer, name), value), name


def test_trace_field_types():
    rng = np.random.default_rng(10)
    trace = IntegerGru(random_model(rng, 4, (8,))).step(random_inputs(rng, 1, 4)[0]).layers[0]
    for name in ("dx", "dh", "q_r", "q_z", "q_nh", "pre_n", "r", "z", "n", "h", "x_ref", "h_ref"):
        assert getattr(trace, name).dtype == np.int16, name
    assert trace.memory.dtype == np.int32


def test_sequence_restart_by_reset():
    rng = np.random.default_rng(12)
    model = random_model(rng, 4, (8, 16), theta_x=9, theta_h=9)
    x = random_inputs(rng, 10, 4, "walk")
    gru = IntegerGru(model)
    first = [gru.step(row).h for row in x]
    gru.reset()
    assert np.array_equal(first, [gru.step(row).h for row in x])
    assert np.array_equal(first, [trace.h for trace in run(model, x)])


def test_thresholds_per_run_and_per_step():
    rng = np.random.default_rng(13)
    model = random_model(rng, 4, (8, 16), weight_scale=1, theta_x=99, theta_h=99)
    x = random_inputs(rng, 20, 4, "walk")
    expected = [t.h for t in run(model.with_theta((1, 20), 7), x)]
    assert np.array_equal(expected, [t.h for t in run(model, x, (1, 20), 7)])
    gru = IntegerGru(model)
    assert np.array_equal(expected, [gru.step(row, (1, 20), 7).h for row in x])
    with pytest.raises(ModelFileError, match="theta_x"):
        gru.step(x[0], theta_x=-1)


def test_progress_of_every_step():
    rng = np.random.default_rng(14)
    calls = []
    run(random_model(rng, 4, (8,)), random_inputs(rng, 3, 4), progress=lambda *a: calls.append(a))
    assert calls == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(4, np.int16),
        np.zeros((2, 5), np.int16),
        np.zeros((2, 4)),
        np.full((2, 4), 40000),
    ],
)
def test_bad_input_message(x):
    model = random_model(np.random.default_rng(15), 4, (8,))
    with pytest.raises(ValueError, match=r"^x: found .*, expected [^\n]*$"):
        run(model, x)

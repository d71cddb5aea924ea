# SPDX-License-Identifier: Apache-2.0
"""What a choice of thresholds costs and is worth: accuracy, traffic, latency, energy.

Accuracy and firing come from the integer model on real recordings, cycles from the analytic timing
model (`golden.timing`), so hundreds of choices take minutes; the RTL confirms those that matter.
"""

from dataclasses import dataclass

import numpy as np

from golden import timing
from golden.train.evaluate import Evaluation, evaluate_items, rate_heading

# Energy of a DRAM access, the lower end of 1.3 to 2.6 nJ for 64 bits, interface included, and of
# an 8-bit multiplication with a 32-bit addition in 45 nm: M. Horowitz, "Computing's Energy Problem
# (and what we can do about it)", ISSCC 2014, figure 1.1.9.
DRAM_PJ_PER_BYTE = 1300 / 8
MAC_PJ = 0.2 + 0.1
# Power of the whole board at the wall socket: Gao et al., JETCAS 2020 (EdgeDRNN on a MiniZed).
WALL_WATT = 2.4

TIMING_STEPS = 2000  # steps of whole sequences that cycles are predicted for


@dataclass(frozen=True)
class Platform:
    """Where a network runs: width of the weight port, its memory, and the clock."""

    port_bits: int = 64
    memory: timing.MemoryTiming = timing.IDEAL
    clock_mhz: float = timing.CLOCK_MHZ


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """Thresholds (Q8.8, one per layer) and what they give.

    `cycles`: latency of each of the steps that were predicted, when x comes after a pause.
    """

    theta_x: tuple
    theta_h: tuple
    evaluation: Evaluation
    cycles: np.ndarray
    platform: Platform

    @property
    def name(self):
        """The thresholds as text."""
        return "x {}, h {}".format(*(_text(theta) for theta in (self.theta_x, self.theta_h)))

    @property
    def error(self):
        """Error in percent, or RMSE."""
        return self.evaluation.score.value

    @property
    def latency_us(self):
        """Mean latency of a step in microseconds."""
        return float(self.cycles.mean()) / self.platform.clock_mhz

    def latency_percentile_us(self, percent):
        """Latency in microseconds that `percent` of the steps stay within."""
        return float(np.percentile(self.cycles, percent)) / self.platform.clock_mhz

    @property
    def dram_uj(self):
        """Microjoules a step for reading weights from DRAM and multiplying by them."""
        return self.evaluation.bytes_per_step * (DRAM_PJ_PER_BYTE + MAC_PJ) * 1e-6

    @property
    def wall_uj(self):
        """Microjoules a step at the wall socket, if the board rests between steps at no cost."""
        return self.latency_us * WALL_WATT

    def fields(self):
        """Everything as a flat dict, for a CSV file."""
        seen = self.evaluation
        row = {}
        for kind, theta, firing in (
            ("x", self.theta_x, seen.firing_x),
            ("h", self.theta_h, seen.firing_h),
        ):
            row |= {f"theta_{kind}{i}": value for i, value in enumerate(theta)}
            row |= {f"firing_{kind}{i}": round(float(value), 6) for i, value in enumerate(firing)}
        return row | {
            "metric": seen.score.name,
            "error": float(f"{self.error:.6g}"),
            "bytes_per_step": round(seen.bytes_per_step, 1),
            "saving": round(seen.saving, 3),
            "latency_cycles": round(float(self.cycles.mean()), 1),
            "latency_us": round(self.latency_us, 3),
            "latency_p99_us": round(self.latency_percentile_us(99), 3),
            "latency_max_us": round(self.latency_percentile_us(100), 3),
            "dram_uj": round(self.dram_uj, 4),
            "wall_uj": round(self.wall_uj, 3),
        }


def _text(theta):
    return ",".join(map(str, theta if len(set(theta)) > 1 else theta[:1]))


def measure(
    model,
    items,
    theta_x=None,
    theta_h=None,
    platform: Platform | None = None,
):
    """The OperatingPoint of `model` at thresholds (Q8.8; None: its own) on Items of a data set."""
    platform = platform or Platform()
    tuned = model.with_theta(theta_x, theta_h)
    traces = []
    evaluation = evaluate_items(tuned, items, keep=traces)
    cycles, steps = [], 0
    for trace in traces:
        if steps >= TIMING_STEPS:
            break
        predicted = timing.predict(
            trace.pattern(),
            model.input_size,
            model.hidden_sizes,
            platform.port_bits,
            platform.memory,
            interval=pause(model, platform.port_bits),
        )
        cycles.append(predicted.latency)
        steps += len(trace.h)
    thetas = (tuple(map(int, theta)) for theta in (tuned.theta_x, tuned.theta_h))
    return OperatingPoint(*thetas, evaluation, np.concatenate(cycles), platform)


def pause(model, port_bits):
    """Cycles between h taken and the next x offered, enough for all that can be done ahead of x.

    Features come every 10 ms or slower, so a network in the field always has that long.
    """
    return model.weight_bytes // (port_bits // 8) + 1000


def pareto(points):
    """Those of `points` that no other beats in both error and bytes, by bytes descending."""
    front, best = [], float("inf")
    for point in sorted(points, key=lambda p: (p.evaluation.bytes_per_step, p.error)):
        if point.error < best:
            front.append(point)
            best = point.error
    return front[::-1]


def heading(points):
    """The heading of a table of points."""
    name = points[0].evaluation.score.name
    layers = len(points[0].theta_x)
    rates = rate_heading(layers)
    return (
        f"{'thresholds, Q8.8':<26} {name:>13} {rates} {'bytes/step':>10} {'saving':>7} "
        f"{'us/step':>8} {'p99':>7} {'uJ DRAM':>8} {'uJ wall':>8}"
    )


def _error(point):
    regression = point.evaluation.score.task == "regression"
    return f"{point.error:.4g}" if regression else f"{point.error:.3f}"


def row(point):
    """One point under `heading`."""
    seen = point.evaluation
    return (
        f"{point.name:<26} {_error(point):>13} {seen.rates()} {seen.bytes_per_step:>10.0f} "
        f"{seen.saving:>6.1f}x {point.latency_us:>8.2f} {point.latency_percentile_us(99):>7.2f} "
        f"{point.dram_uj:>8.3f} {point.wall_uj:>8.1f}"
    )


def grid(values_x, values_h, layers, per_layer=False):
    """Pairs of thresholds to try: each Θx with each Θh, or each combination over layers too."""
    if not per_layer:
        return [((x,) * layers, (h,) * layers) for x in values_x for h in values_h]
    combined = [[()], [()]]
    for i, values in enumerate((values_x, values_h)):
        for _ in range(layers):
            combined[i] = [(*head, value) for head in combined[i] for value in values]
    return [(x, h) for x in combined[0] for h in combined[1]]

# SPDX-License-Identifier: Apache-2.0
"""Spoken digits through the RTL: what ``scripts/demo.py`` runs and shows.

Every recording is a sequence of its own, run at each set of thresholds, and compared step by step
with the golden model by ``tb.flows.simulation``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from golden import timing
from golden.datasets.features import features_from_model
from golden.datasets.fsdd import Recording
from golden.files import save_figure
from golden.integer import IntegerGru
from golden.model_file import Model
from golden.timing import CLOCK_MHZ
from golden.train.readout import readout
from tb.device.dram import load_dram
from tb.flows.simulation import Result, simulate

Cycles = TypeVar("Cycles", float, np.ndarray)

PORT_BYTES = 8


@dataclass(frozen=True)
class Recognition:
    """One recording at one set of thresholds: what was said, what was heard, what it took."""

    recording: Recording
    label: str
    running: list[str]
    features: np.ndarray
    result: Result

    @property
    def right(self) -> bool:
        """Whether the network heard what was said."""
        return self.label == str(self.recording.digit)


@dataclass(frozen=True)
class Setting:
    """A name for the reader, and thresholds per layer, Q8.8."""

    name: str
    theta_x: np.ndarray
    theta_h: np.ndarray


def settings_of(model: Model) -> tuple[Setting, Setting]:
    """Θ = 0 and the thresholds in the model file."""
    zero = np.zeros_like(model.theta_x)

    def text(theta: np.ndarray) -> str:
        values = [int(v) for v in theta]
        return str(values[0]) if len(set(values)) == 1 else ",".join(map(str, values))

    shipped = f"Θx = {text(model.theta_x)}, Θh = {text(model.theta_h)}"
    return Setting("Θ = 0", zero, zero), Setting(shipped, model.theta_x, model.theta_h)


def dense_cycles(model: Model) -> int:
    """Cycles in which the port can deliver them: no core can be faster without skipping."""
    return -(-model.weight_bytes // PORT_BYTES)


def microseconds(cycles: Cycles) -> Cycles:
    """At 125 MHz."""
    return cycles / CLOCK_MHZ


def listen(
    model: Model,
    recordings: Sequence[Recording],
    settings: Sequence[Setting],
    *,
    sim: str = "verilator",
    dram: str | Path = "ddr3l",
    seed: int = 1,
    jobs: int = 2,
    progress: Callable[[int], object] = lambda steps: None,
) -> list[list[Recognition]]:
    """Run every recording at every setting on the RTL; a list of Recognition for each setting.

    ``progress`` is called with the number of time steps newly finished. Raises what
    ``tb.flows.simulation.simulate`` raises, at the first difference to the golden model.
    """
    extract = features_from_model(model)
    features = [extract(recording.samples) for recording in recordings]

    def run(job: tuple[Setting, Recording, np.ndarray]) -> Recognition:
        setting, recording, x = job
        tuned = model.with_theta(setting.theta_x, setting.theta_h)
        result = simulate(tuned, x, sim=sim, dram=dram, seed=seed, progress=progress)
        decision = readout(model, result.h)
        return Recognition(recording, decision.label, decision.running, x, result)

    work = [(s, r, x) for s in settings for r, x in zip(recordings, features, strict=True)]
    first = run(work[0])  # builds; the others find the build
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        heard = [first, *pool.map(run, work[1:])]
    count = len(recordings)
    return [heard[i * count : (i + 1) * count] for i in range(len(settings))]


@dataclass(frozen=True)
class Summary:
    """Totals of one setting over all recordings; per-step means."""

    name: str
    right: int
    recordings: int
    firing_x: np.ndarray  # (L,) 0...1
    firing_h: np.ndarray
    cycles: float
    worst_cycles: int
    dram_bytes: float
    compared: int


@dataclass(frozen=True)
class Forecast:
    """One Θ for all layers, Q8.8: digits right by the integer model, cycles a step by the analytic
    timing model. Nothing is simulated for it.
    """

    theta: int
    right: int
    recordings: int
    cycles: float


def forecast(
    model: Model,
    recordings: Sequence[Recording],
    setting: Setting,
    dram: str | Path = "ddr3l",
) -> Forecast:
    """What a setting would give."""
    extract = features_from_model(model)
    memory = load_dram(dram).timing()
    tuned = model.with_theta(setting.theta_x, setting.theta_h)
    right, latency = 0, []
    for recording in recordings:
        golden = IntegerGru(tuned)
        traces = [golden.step(row) for row in extract(recording.samples)]
        label = readout(model, np.array([trace.h for trace in traces])).label
        right += label == str(recording.digit)
        fired = timing.fired_of(traces)
        says = timing.predict(fired, model.input_size, model.hidden_sizes, 8 * PORT_BYTES, memory)
        latency.append(says.latency)
    mean = float(np.concatenate(latency).mean())
    return Forecast(int(setting.theta_x[0]), right, len(recordings), mean)


def forecast_table(forecasts: Sequence[Forecast], simulated: Mapping[int, float]) -> str:
    """Θ against digits and cycles; ``simulated``: cycles of the RTL, for those Θ that it ran."""
    lines = ["Without simulating, one Θ for all layers (integer model, golden/timing.py):", ""]
    lines.append("    Θ      digits right   cycles a step   simulated")
    for one in forecasts:
        seen = f"{simulated[one.theta]:,.0f}" if one.theta in simulated else ""
        digits = f"{one.right} of {one.recordings}"
        lines.append(f"    {one.theta:<6} {digits:>12}   {one.cycles:>13,.0f}   {seen:>9}".rstrip())
    return "\n".join(lines)


def summarise(model: Model, setting: Setting, heard: Sequence[Recognition]) -> Summary:
    """What a setting gave: digits right, firing rates, latency in cycles, bytes."""
    results = [one.result for one in heard]
    columns_x = np.concatenate([r.columns_x for r in results])
    columns_h = np.concatenate([r.columns_h for r in results])
    latency = np.concatenate([r.latency for r in results])
    return Summary(
        setting.name,
        sum(one.right for one in heard),
        len(heard),
        columns_x.mean(axis=0) / np.array(model.input_sizes),
        columns_h.mean(axis=0) / np.array(model.hidden_sizes),
        float(latency.mean()),
        int(latency.max()),
        float(np.concatenate([r.dram_bytes for r in results]).mean()),
        sum(r.compared for r in results),
    )


def table(model: Model, summaries: Sequence[Summary]) -> str:
    """The figures beside those of a dense GRU of the same size, as text."""
    layers = range(model.num_layers)
    head = ["", *[s.name for s in summaries], "dense GRU"]
    rows = [["digits heard right", *[f"{s.right} of {s.recordings}" for s in summaries], ""]]
    for layer in layers:
        rows.append(
            [
                f"layer {layer + 1} firing Δx / Δh, %",
                *[
                    f"{100 * s.firing_x[layer]:.1f} / {100 * s.firing_h[layer]:.1f}"
                    for s in summaries
                ],
                "100 / 100",
            ]
        )
    dense = model.weight_bytes
    cycles = dense_cycles(model)
    rows += [
        [
            "DRAM bytes a step",
            *[f"{s.dram_bytes:,.0f} ({dense / max(s.dram_bytes, 1):.1f}x less)" for s in summaries],
            f"{dense:,}",
        ],
        [
            "cycles a step, mean",
            *[f"{s.cycles:,.0f} ({cycles / s.cycles:.1f}x faster)" for s in summaries],
            f"{cycles:,} (port bound)",
        ],
        [
            "µs at 125 MHz, mean / worst",
            *[
                f"{microseconds(s.cycles):.1f} / {microseconds(s.worst_cycles):.1f}"
                for s in summaries
            ],
            f"{microseconds(cycles):.1f}",
        ],
        ["values equal to the golden model", *[f"{s.compared:,}" for s in summaries], ""],
    ]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(row: list[str]) -> str:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return "  ".join(cells).rstrip()

    return "\n".join([line(head), "  ".join("-" * w for w in widths), *map(line, rows)])


def picture(
    path: Path,
    model: Model,
    settings: Sequence[Setting],
    heard: Sequence[Sequence[Recognition]],
    conditions: str,
) -> None:
    """Draw features, digits said and heard, firing rates and cost per step over time."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    lengths = [len(one.features) for one in heard[0]]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    seconds = np.arange(starts[-1]) / 100.0
    figure, axes = plt.subplots(
        2 + len(settings) + 1,
        1,
        figsize=(15, 3.0 * (3 + len(settings))),
        sharex=True,
        layout="constrained",
    )
    figure.suptitle(f"Spoken digits through the EdgeDRNN RTL — {conditions}", fontsize=14)

    spectrum = np.concatenate([one.features for one in heard[0]]).T / 256.0
    axes[0].imshow(
        spectrum,
        aspect="auto",
        origin="lower",
        cmap="magma",
        extent=(0, seconds[-1] + 0.01, 0, spectrum.shape[0]),
    )
    axes[0].set_title("x: 40 log-mel bands, 60 to 3900 Hz (Q8.8)", loc="left")
    axes[0].set_yticks([])
    axes[0].annotate("said ", (0, 36), ha="right", annotation_clip=False, fontsize=9)
    for row, setting in enumerate(settings):
        axes[0].annotate(
            f"heard,\n{setting.name.replace(', ', chr(10))} ",
            (0, 9 - 7 * row),
            ha="right",
            va="center",
            annotation_clip=False,
            fontsize=7,
        )
    for i, one in enumerate(heard[0]):
        middle = (starts[i] + starts[i + 1]) / 200.0
        axes[0].text(middle, 35, str(one.recording.digit), color="white", ha="center", fontsize=13)
        for row, per_setting in enumerate(heard):
            answer = per_setting[i]
            colour = "#7CFC9A" if answer.right else "#FF6B6B"
            axes[0].text(middle, 8 - 7 * row, answer.label, color=colour, ha="center", fontsize=12)

    for axis, setting, runs in zip(axes[1:], settings, heard, strict=False):
        columns_x = np.concatenate([one.result.columns_x for one in runs])
        columns_h = np.concatenate([one.result.columns_h for one in runs])
        for layer in range(model.num_layers):
            axis.plot(
                seconds,
                100 * columns_x[:, layer] / model.input_sizes[layer],
                label=f"layer {layer + 1} Δx",
                lw=1.1,
            )
            axis.plot(
                seconds,
                100 * columns_h[:, layer] / model.hidden_sizes[layer],
                label=f"layer {layer + 1} Δh",
                lw=1.1,
                ls="--",
            )
        axis.set_ylim(0, 122)  # room for the legend
        axis.set_yticks(range(0, 101, 20))
        axis.set_ylabel("firing, %")
        axis.set_title(f"{setting.name}: elements that fire (a dense GRU: 100 %)", loc="left")
        axis.legend(loc="upper right", ncols=2 * model.num_layers, fontsize=8)

    dense = model.weight_bytes
    for setting, runs in zip(settings, heard, strict=True):
        read = np.concatenate([one.result.dram_bytes for one in runs])
        axes[-2].plot(seconds, read / 1024.0, lw=1.1, label=setting.name)
        latency = np.concatenate([one.result.latency for one in runs])
        axes[-1].plot(seconds, microseconds(latency), lw=1.1, label=setting.name)
    axes[-2].axhline(dense / 1024.0, color="k", lw=1, ls=":", label="dense GRU")
    axes[-2].set_ylabel("KiB a step")
    axes[-2].set_title("weights read from DRAM", loc="left")
    axes[-1].axhline(
        microseconds(dense_cycles(model)), color="k", lw=1, ls=":", label="dense GRU, port bound"
    )
    axes[-1].set_ylabel("µs a step")
    axes[-1].set_title("latency, x_t offered to h_t taken, at 125 MHz", loc="left")
    axes[-1].set_xlabel("seconds of speech, 10 ms a step")
    for axis in axes[-2:]:
        axis.set_ylim(0, 1.25 * axis.get_ylim()[1])
        axis.legend(loc="upper right", ncols=3, fontsize=8)
    for axis in axes:
        for start in starts[1:-1]:
            axis.axvline(start / 100.0, color="0.75", lw=0.6)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, path, dpi=80)
    plt.close(figure)

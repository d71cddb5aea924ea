# SPDX-License-Identifier: Apache-2.0
"""Benchmark of the design: clock cycles a step, exact, and everything checked on the way.

Runs the benchmark set on Verilator (2L-16H to 2L-768H; ideal memory, DDR3L, a memory 200 cycles
away; back to back and after a long gap; ports of 64, 128 and 256 bits), holds each figure against
its bound, EdgeDRNN's public RTL and the analytic model, and writes one table and one plot into
docs/.

Back to back: `period`, cycles from h_{t-1} to h_t when x_t is offered at once. Long gap:
`latency`, cycles from x_t to h_t when all recurrent columns have been read before.

Exit status: 0 all bounds hold, 1 one does not or a run failed, 2 bad arguments.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from golden.files import save_figure, write_text
from golden.outputs import OutputError, any_of, json_with, text
from golden.outputs import picture as is_our_picture
from golden.timing import CLOCK_MHZ
from tb.checks.compare import MismatchError
from tb.command_line import FAILED, OK, Parser, add_force, check_reports, guarded
from tb.failure import BuildError, SimulationError
from tb.flows.benchmark import LONG_GAP, MODEL_LIMIT, Case, Row, measure_all
from tb.fpga.tools import revision, table
from tb.paths import REPO

PUBLISHED_US = 500  # 2L-768H, Gao et al. 2020 (JETCAS), mean of a step
AUTHORS, BARS = "#b0b0b0", {"ideal": "#2a6f97", "ddr3l": "#e07a2f"}


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="bench.py"
    )
    parser.add_argument(
        "--document", type=Path, default=REPO / "docs" / "bench.md", help="the table, Markdown"
    )
    parser.add_argument(
        "--plot", type=Path, default=REPO / "docs" / "bench.png", help="the plot, PNG"
    )
    parser.add_argument("--json", type=Path, help="all figures, for other tools")
    add_force(parser)
    args = parser.parse_args()
    outputs = {"--document": args.document, "--plot": args.plot, "--json": args.json}
    try:
        ours = any_of(json_with("cycles", "bound"), text("# Benchmark"), is_our_picture)
        check_reports(outputs, args.force, ours)
    except OutputError as error:
        parser.error(str(error))
    return args


def line(row: Row) -> list[str]:
    """A row of the table."""
    reference = "–" if row.reference is None else f"{row.reference:,.0f}"
    factor = "–" if row.reference is None else f"{row.reference / row.cycles:.2f}x"
    bound = "–" if math.isinf(row.bound) else f"{row.bound:,.0f}"
    return [
        row.case.workload,
        row.case.memory,
        str(row.case.port_bits),
        row.case.mode,
        f"{row.columns_x:.1f} + {row.columns_h:.1f}",
        f"{row.beats:,.1f}",
        f"{row.cycles:,.1f}",
        f"{100 * row.beats / row.cycles:.1f} %",
        f"{bound} ({row.reason})",
        reference,
        factor,
        f"{row.microseconds:.1f}",
        f"{row.gops:.2f}",
        f"{row.dense_gops:.1f}",
        f"{100 * row.model_error:+.2f} %",
        "yes" if row.holds else "**no**",
    ]


HEADER = (
    *("network", "memory", "port", "x comes", "columns Δx + Δh", "beats on the way", "cycles"),
    *("port busy", "at most", "EdgeDRNN's RTL", "ours is", "µs", "GOp/s", "GOp/s dense"),
    *("model", "holds"),
)

PAGE = """\
# Benchmark: clock cycles a step

`make bench` measured this at {revision}, in simulation (Verilator). Cycles of the design are exact
and the same on every machine. Every hidden state, delta memory and fetched column of these runs
was equal to the golden model's.

{table}

- **Columns**: weight columns of a mean step, all layers. The networks have random weights, scaled
  so that they fire about as often as those of the reference measurements (`golden/workloads.py`).
  2L-16H runs at Θ 0, the others at Θ 64 (0.25).
- **x comes**: *back to back* means as soon as h has left; `cycles` is then the period. *Long gap*
  means after all recurrent columns have been read; `cycles` is then the latency from x to h, and
  only the Δx columns are on the way.
- **EdgeDRNN's RTL**: cycles of the authors' public core for the same columns, from a formula that
  was fitted to it in simulation (`reference_cycles` in `golden/workloads.py`; first beat after 0,
  40 or 200 cycles). That core starts to read when x comes.
- **µs**: at {clock:g} MHz, the clock of the published core, whose mean step of 2L-768H took about
  {published} µs on a MiniZed (Gao et al., JETCAS 2020).
- **GOp/s**: additions and multiplications that were done. **Dense**: those of a dense network that
  would take as long, which publications call effective (theirs: 20.2).
- **model**: by how much the prediction of `golden/timing.py` differs from the measurement; the
  limit is {limit:g} %.
- **Memories**: `tb/tables/dram/*.toml`. *ddr3l* is that of a MiniZed: 40 cycles to the first beat,
  refresh, 8 bursts under way. *far* is the same at 200 cycles, with 16 bursts under way and 4 KiB
  of buffer in the memory. The core itself buffers two beats. To hide the latency, 200 cycles x 8
  bytes = 1.6 KB must be under way; 16 bursts of up to 2 KiB are.

![Cycles against the port's bound and EdgeDRNN's RTL](bench.png)
"""


def picture(rows: list[Row], path: Path) -> None:
    """Cycles over the beats that the port must move, ours and those of EdgeDRNN's RTL."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.artist import Artist
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    names = list(dict.fromkeys(row.case.workload for row in rows))
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4.8), sharey=True, layout="constrained")
    for axis, mode in zip(axes, ("back to back", LONG_GAP), strict=True):
        for place, name in enumerate(names):
            mine = [r for r in rows if r.case.workload == name and r.case.mode == mode]
            mine = [r for r in mine if r.case.port_bits == 64 and r.case.memory in BARS]
            compared = [(row, row.reference) for row in mine if row.reference is not None]
            for number, (row, reference) in enumerate(compared):
                at, width = place + 0.27 * number, 0.25
                axis.bar(at, reference, width, color=AUTHORS, zorder=1)
                axis.bar(at, row.cycles, 0.7 * width, color=BARS[row.case.memory], zorder=2)
                axis.plot([at - width / 2, at + width / 2], [row.beats] * 2, "k-", lw=2, zorder=3)
                faster = f"{reference / row.cycles:.2f}x"
                axis.annotate(
                    faster, (at, reference), (0, 2 + 9 * number), textcoords="offset points",
                    ha="center", fontsize=8, color=BARS[row.case.memory],
                )  # fmt: skip
        axis.set_yscale("log")
        axis.set_ylim(top=2.5 * max(row.reference or 0 for row in rows))
        axis.set_xticks(
            [p + 0.13 for p in range(len(names))], [n.replace(", ", "\n") for n in names]
        )
        axis.set_title(
            f"{mode}: " + ("latency, x to h" if mode == LONG_GAP else "period of a step")
        )
        axis.grid(axis="y", alpha=0.3)
    axes[0].set_ylabel("clock cycles")
    handles: list[Artist] = [Rectangle((0, 0), 1, 1, color=c) for c in (*BARS.values(), AUTHORS)]
    handles.append(Line2D([], [], color="k", lw=2))
    labels = [
        "this core, ideal memory",
        "this core, DDR3L",
        "EdgeDRNN's RTL, same columns and latency",
    ]
    axes[1].legend(
        handles, [*labels, "beats on the way: the port's bound"], loc="upper left", fontsize=8
    )
    save_figure(figure, path, dpi=110, format="png")
    pyplot.close(figure)


@guarded("bench.py")
def main() -> int:
    """Run the set, write table and plot, say what does not hold."""
    args = arguments()

    def bar(cases: list[Case]) -> Iterable[Case]:
        with tqdm(cases, unit="run", desc="bench") as shown_cases:
            for case in shown_cases:
                shown_cases.set_postfix_str(str(case))
                yield case

    try:
        rows = measure_all(bar)
    except (MismatchError, SimulationError, BuildError) as error:
        print(f"bench.py: {error}", file=sys.stderr)
        return FAILED
    text = table(HEADER, [line(row) for row in rows], left=4)
    print(text)
    page = PAGE.format(revision=revision(), table=text, clock=CLOCK_MHZ, published=PUBLISHED_US,
                       limit=100 * MODEL_LIMIT)  # fmt: skip
    picture(rows, args.plot)
    write_text(args.document, page)
    if args.json:
        figures = [
            {**{k: v for k, v in vars(row).items() if k != "case"}, **vars(row.case)}
            for row in rows
        ]
        write_text(args.json, json.dumps(figures, indent=1))
    failed = [row for row in rows if not row.holds]
    for row in failed:
        print(
            f"bench.py: {row.case}: {row.cycles:.1f} cycles, at most {row.bound:.1f};"
            f" model {100 * row.model_error:+.2f} %",
            file=sys.stderr,
        )
    return FAILED if failed else OK

# SPDX-License-Identifier: Apache-2.0
"""Spoken digits through the RTL: hears them, checks every step, shows what it cost.

Streams log-mel features of spoken digits through the accelerator in simulation, with the trained
network of the repository, at Θ = 0 and at the thresholds it ships with. Every hidden state, delta
memory and fetched column is compared with the golden model.

Without --fsdd it uses the clips in golden/clips (synthetic voices, our own). With a folder of the
Free Spoken Digit Dataset it takes recordings of its test split, which the network has never seen.

Exit status: 0 all equal, 1 a difference to the golden model or a failed simulation, 2 bad input.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from golden.command import disk_full, line_of
from golden.datasets.base import DatasetError
from golden.datasets.features import features_from_model
from golden.datasets.fsdd import Recording, load_folder, of_split
from golden.model_file import ModelFileError, load_model
from tb.checks.compare import MismatchError
from tb.command_line import BAD_INPUT, FAILED, OK, Parser, guarded
from tb.failure import BuildError, SimulationError
from tb.flows.digits import (
    Setting,
    forecast,
    forecast_table,
    listen,
    picture,
    settings_of,
    summarise,
    table,
)
from tb.paths import REPO

FORECAST_THETAS = (16, 32, 64, 96, 128)  # Q8.8


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(
        prog="demo.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=REPO / "golden/models/digits-2l128h.npz")
    parser.add_argument("--fsdd", type=Path, metavar="FOLDER", help="recordings to use instead")
    parser.add_argument(
        "--count", type=int, default=20, help="recordings to run, evenly drawn (default 20)"
    )
    parser.add_argument("--sim", choices=("verilator", "icarus"), default="verilator")
    parser.add_argument(
        "--dram", default="ddr3l", help="memory model: ddr3l, ideal or a TOML file (default ddr3l)"
    )
    parser.add_argument("--picture", type=Path, default=REPO / "reports/demo.png")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args(argv)
    if args.count < 1 or args.jobs < 1:
        parser.error("--count and --jobs: expected at least 1")
    return args


def pick(folder: Path | None, count: int) -> list[Recording]:
    """The recordings to run, in order of digit; of a real set only the test split."""
    recordings = load_folder(folder or REPO / "golden/clips")
    if folder is not None:
        recordings = of_split(recordings, "test")
        if not recordings:
            raise DatasetError(f"{folder}: no recording with index 0 to 4, expected a test split")
    drawn: Counter[int] = Counter()
    rank = {}
    for i in np.random.default_rng(0).permutation(len(recordings)):
        rank[int(i)] = drawn[recordings[i].digit]
        drawn[recordings[i].digit] += 1
    few = sorted(sorted(rank, key=rank.__getitem__)[:count], key=lambda i: recordings[i].digit)
    return [recordings[i] for i in few]


@guarded("demo.py")
def main(argv: list[str] | None = None) -> int:
    """Run the demo; the exit status."""
    args = arguments(argv)
    from tqdm import tqdm

    started = time.monotonic()
    try:
        model = load_model(args.model)
        recordings = pick(args.fsdd, args.count)
        settings = settings_of(model)
        extract = features_from_model(model)
        steps = sum(len(extract(r.samples)) for r in recordings) * len(settings)
        layers = " + ".join(str(units) for units in model.hidden_sizes)
        print(
            f"{len(recordings)} recordings through a {layers} unit delta-GRU with"
            f" {model.parameters:,} parameters; {args.sim}, DRAM {args.dram}.\n"
            "The first run builds the simulation, which takes a minute."
        )
        every = 0.3 if sys.stderr.isatty() else 10.0  # seconds; a log file wants few lines
        with tqdm(total=steps, unit="step", desc="through the RTL", mininterval=every) as bar:
            heard = listen(
                model,
                recordings,
                settings,
                sim=args.sim,
                dram=args.dram,
                seed=args.seed,
                jobs=args.jobs,
                progress=bar.update,
            )
    except (ModelFileError, DatasetError, ValueError, OSError) as error:
        print(f"demo.py: {line_of(error)}", file=sys.stderr)
        return FAILED if disk_full(error) else BAD_INPUT
    except (MismatchError, SimulationError, BuildError) as error:
        print(f"demo.py: {error}", file=sys.stderr)
        return FAILED

    print("\nsaid    " + " ".join(str(one.recording.digit) for one in heard[0]))
    for setting, runs in zip(settings, heard, strict=True):
        print("heard   " + " ".join(one.label for one in runs) + f"   at {setting.name}")
    summaries = [summarise(model, s, runs) for s, runs in zip(settings, heard, strict=True)]
    print("\n" + table(model, summaries))
    one_theta = len({*map(int, model.theta_x), *map(int, model.theta_h)}) == 1
    thetas = {0, *FORECAST_THETAS, *([int(model.theta_x[0])] if one_theta else [])}
    forecasts = []
    for theta in tqdm(sorted(thetas), unit="Θ", desc="without simulating", mininterval=every):
        both = np.full_like(model.theta_x, theta)
        forecasts.append(forecast(model, recordings, Setting(str(theta), both, both), args.dram))
    known = {0: summaries[0].cycles}
    if one_theta:
        known[int(model.theta_x[0])] = summaries[1].cycles
    print("\n" + forecast_table(forecasts, known))
    picture(args.picture, model, settings, heard, f"{args.sim}, DRAM {args.dram}, 64-bit port")
    shown = args.picture
    if shown.is_relative_to(Path.cwd()):
        shown = shown.relative_to(Path.cwd())
    print(f"\nEvery step equal to the golden model. Picture: {shown}")
    print(f"{steps} steps in {time.monotonic() - started:.0f} s")
    return OK

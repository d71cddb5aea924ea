# SPDX-License-Identifier: Apache-2.0
"""Water circulation: sensors of a pump test bench at 1 Hz, one of them to be told from the rest.

Katser, Kozitsin, "Skoltech Anomaly Benchmark (SKAB)", github.com/waico/SKAB, GPL-3.0. Split by
file, one experiment each (`splits.toml`).
"""

import csv
from pathlib import Path

import numpy as np

from golden.datasets.base import (
    Dataset,
    DatasetError,
    Example,
    check_finite,
    existing_folder,
    split_of,
)

SOURCE = "github.com/waico/SKAB (GPL-3.0)"
SENSORS = (
    *("Accelerometer1RMS", "Accelerometer2RMS", "Current", "Pressure"),
    *("Temperature", "Thermocouple", "Voltage", "Volume Flow RateRMS"),
)
TARGET = "Volume Flow RateRMS"  # litres a minute
RATE = 1.0


def dataset(folder, target=TARGET):
    """Every ``kind/name.csv`` below `folder` or its ``data``: `target` from the other sensors."""
    expected = f"folders valve1, valve2, other with CSV files; the set is at {SOURCE}"
    folder = existing_folder(folder, expected)
    if (folder / "data").is_dir():
        folder = folder / "data"
    paths = sorted(folder.glob("*/*.csv"))
    if not paths:
        raise DatasetError(f"{folder}: found no */*.csv, expected {expected}")
    if target not in SENSORS:
        raise DatasetError(f"skab: target: found {target!r}, expected one of {', '.join(SENSORS)}")
    channels = tuple(name for name in SENSORS if name != target)
    examples = tuple(_load(path, channels, target) for path in paths)
    return Dataset("skab", "regression", (target,), examples, RATE, SOURCE, channels)


def _load(path: Path, channels, target) -> Example:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
        values = {name: np.array([float(row[name]) for row in rows]) for name in SENSORS}
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise DatasetError(
            f"{path}: found {error!r}, expected columns {', '.join(SENSORS)} between semicolons"
        ) from None
    if not rows:
        raise DatasetError(f"{path}: found no rows, expected one per second")
    check_finite(np.stack(list(values.values()), axis=1), SENSORS, path)
    name = f"{path.parent.name}/{path.stem}"
    signal = np.stack([values[channel] for channel in channels], axis=1)
    return Example(name, split_of("skab", name), signal, values[target][:, None], name)

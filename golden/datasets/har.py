# SPDX-License-Identifier: Apache-2.0
"""Wrist activity: accelerometer and gyroscope of a smartwatch at 100 Hz, a label for every sample.

Matey-Sanz, Casteleyn, Granell, "Dataset of inertial measurements of smartphones and smartwatches
for human activity recognition", Data in Brief 2023 (doi 10.1016/j.dib.2023.109809), CC BY 4.0.
Split by person (`splits.toml`).
"""

import csv
import gzip
import zlib
from pathlib import Path

import numpy as np

from golden.datasets.base import (
    Dataset,
    DatasetError,
    Example,
    check_finite,
    existing_folder,
    label_indices,
    split_of,
)

SOURCE = "doi.org/10.5281/zenodo.8398688 (CC BY 4.0)"
CHANNELS = ("x_acc", "y_acc", "z_acc", "x_gyro", "y_gyro", "z_gyro")
LABELS = ("SEATED", "STANDING_UP", "WALKING", "TURNING", "SITTING_DOWN")
RATE = 100.0


def dataset(folder):
    """Every ``sNN/*_sw.csv[.gz]`` below `folder`: six channels, one of five activities per row."""
    expected = f"folders sNN with smartwatch CSV files; the set is at {SOURCE}"
    folder = existing_folder(folder, expected)
    paths = sorted([*folder.glob("s[0-9]*/*_sw.csv"), *folder.glob("s[0-9]*/*_sw.csv.gz")])
    if not paths:
        raise DatasetError(f"{folder}: found no *_sw.csv or *_sw.csv.gz, expected {expected}")
    return Dataset("har", "frames", LABELS, tuple(map(_load, paths)), RATE, SOURCE, CHANNELS)


def _load(path: Path) -> Example:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        signal = np.array([[float(row[name]) for name in CHANNELS] for row in rows])
        labels = [row["label"] for row in rows]
    except (OSError, EOFError, KeyError, TypeError, ValueError, csv.Error, zlib.error) as error:
        raise DatasetError(
            f"{path}: found {error!r}, expected columns {', '.join(CHANNELS)}, label"
        ) from None
    if not rows:
        raise DatasetError(f"{path}: found no rows, expected one per sample")
    check_finite(signal, CHANNELS, path)
    person = path.parent.name
    target = label_indices(labels, LABELS, path)
    return Example(path.name.split(".")[0], split_of("har", person), signal, target, person)

# SPDX-License-Identifier: Apache-2.0
"""Whether a data set can be trained on for the core, told before any time is spent on it."""

import numpy as np

from golden import fixed
from golden.datasets import SPLITS, DatasetError


def check_width(features, source):
    """DatasetError if a step of `features` inputs is more than the core takes."""
    if features > fixed.MAX_INPUT:
        raise DatasetError(
            f"{source}: found {features} features a step, expected at most {fixed.MAX_INPUT} "
            "inputs of the core; choose some with --columns"
        )


def check_data(dataset, source, block=1, spread=False, splits=SPLITS):
    """DatasetError, one line, for a Dataset that cannot be trained on in steps of `block` rows."""
    if dataset.channels:
        check_width(len(dataset.channels) * (2 if spread else 1), source)
    for split in splits:
        examples = dataset.of_split(split)
        if not examples:
            raise DatasetError(f"{source}: found nothing in the {split} split, expected some")
        for example in examples:
            if dataset.channels and len(example.signal) < block:
                raise DatasetError(
                    f"{source}: {example.name}: found {len(example.signal)} rows in the {split} "
                    f"split, expected {block} or more for one step (--block)"
                )
    _check_targets(dataset, source)


def _check_targets(dataset, source):
    targets = {split: [e.target for e in dataset.of_split(split)] for split in SPLITS}
    if dataset.task == "regression":
        rows = np.concatenate(targets["train"])
        for name, low, high in zip(dataset.labels, rows.min(axis=0), rows.max(axis=0), strict=True):
            if low == high:
                raise DatasetError(
                    f"{source}: target {name}: found {low:g} in every row of the train split, "
                    "expected values that change"
                )
        return
    seen = {split: _classes(dataset.task, found) for split, found in targets.items()}
    missing = sorted((seen["validation"] | seen["test"]) - seen["train"])
    if missing:
        names = ", ".join(repr(dataset.labels[index]) for index in missing[:5])
        raise DatasetError(
            f"{source}: found the class {names} in validation or test alone, expected each class "
            "in the train split as well (--split)"
        )


def _classes(task, targets):
    if task == "label":
        return set(map(int, targets))
    return {int(label) for target in targets for label in np.unique(np.asarray(target, int))}


def still_channels(dataset, extract, source):
    """Warnings, a line each, on channels that never move. DatasetError if none of them does."""
    if not dataset.channels:
        return []
    constant = extract.constant([example.signal for example in dataset.of_split("train")])
    if len(constant) == len(dataset.channels):
        raise DatasetError(
            f"{source}: found every channel constant in the train split ({', '.join(constant)}), "
            "expected one that moves"
        )
    return [
        f"warning: channel {name}: constant in the train split, so it is 0 at every step"
        for name in constant
    ]

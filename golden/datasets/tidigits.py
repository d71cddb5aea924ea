# SPDX-License-Identifier: Apache-2.0
"""Loader for TIDIGITS: connected digits of 326 men, women, boys and girls of the United States.

Leonard, Doddington, "TIDIGITS", Linguistic Data Consortium 1993, LDC93S10, under the consortium's
own licence. Nothing is fetched. The layout is that of the discs, whose names may be in any case::

    {train,test}/{man,woman,boy,girl}/SPEAKER/DIGITS{a,b}.wav     such as train/man/ae/4z6o2a.wav

below any folders of the disc's. A name has the digits (z is "zero", o is "oh") and the take.
"""

import re
from collections import defaultdict
from pathlib import Path

from golden.datasets.base import (
    Dataset,
    DatasetError,
    Example,
    existing_folder,
    written_splits,
)
from golden.datasets.features import SAMPLE_RATE, read_wav
from golden.datasets.sphere import is_sphere, read_sphere

SOURCE = "Linguistic Data Consortium, catalog.ldc.upenn.edu/LDC93S10 (licence of the LDC)"
GROUPS = ("man", "woman", "boy", "girl")
LABELS = ("z", "o", "1", "2", "3", "4", "5", "6", "7", "8", "9")
_EXPECTED = f"{{train,test}}/{{man,woman,boy,girl}}/SPEAKER/*.wav; the set is at {SOURCE}"
_NAME = re.compile(r"([zo1-9]+)([ab])")


def dataset(folder, speakers=GROUPS):
    """The utterances below `folder` of the groups `speakers`: sound at 8 kHz, digits in order.

    A target is a tuple of indices into `LABELS`, a group of an example is a speaker. Files are
    NIST SPHERE, as the corpus has them, or WAV, as people convert them. Raises DatasetError if
    there is none, or for a name or a file of another kind.
    """
    folder = existing_folder(folder, _EXPECTED)
    unknown = sorted(set(speakers) - set(GROUPS))
    if unknown or not speakers:
        found = repr(unknown[0]) if unknown else "none"
        raise DatasetError(
            f"tidigits: speakers: found {found}, expected some of {', '.join(GROUPS)}"
        )
    paths = _utterances(folder, speakers)
    if not paths:
        raise DatasetError(
            f"{folder}: found no utterance of {', '.join(speakers)}, expected {_EXPECTED}"
        )
    split_of = _splits(paths)
    examples = tuple(_load(path, parts, split_of) for parts, path in sorted(paths.items()))
    return Dataset("tidigits", "ctc", LABELS, examples, SAMPLE_RATE, SOURCE)


def _utterances(folder, speakers):
    """Paths by (train or test, group, speaker, name), all in lower case."""
    paths = {}
    for path in sorted(folder.rglob("*")):
        # Parts above `folder` count: it may be the folder of one group, or of one speaker.
        parts = tuple(part.lower() for part in (*path.absolute().parts[-4:-1], path.stem))
        if path.suffix.lower() != ".wav" or parts[0] not in ("train", "test"):
            continue
        if parts[1] not in GROUPS:
            raise DatasetError(f"{path}: found the group {parts[1]}, expected {_EXPECTED}")
        if parts[1] in speakers:
            if parts in paths:
                raise DatasetError(f"{path}: found the same as {paths[parts]}, expected one")
            paths[parts] = path
    return paths


def _splits(paths):
    """The split of each (train or test, group, speaker): `splits.toml` in the words of code."""
    every = written_splits().tidigits.validation_every
    split, trained = {}, defaultdict(set)
    for part, group, speaker, _ in paths:
        if part == "train":
            trained[group].add(speaker)
        split[part, group, speaker] = part
    for group, names in trained.items():
        for number, speaker in enumerate(sorted(names), start=1):
            if ("test", group, speaker) in split:
                raise DatasetError(
                    f"tidigits: found {group}/{speaker} in train and test, expected one of them"
                )
            if number % every == 0:
                split["train", group, speaker] = "validation"
    return split


def _load(path: Path, parts, split_of) -> Example:
    match = _NAME.fullmatch(parts[-1])
    if not match:
        raise DatasetError(
            f"{path}: found the name {path.name}, expected digits z, o, 1...9 and a or b"
        )
    try:
        samples = read_sphere(path) if is_sphere(path) else read_wav(path)
    except DatasetError:
        raise
    except ValueError as error:
        raise DatasetError(f"{error}, or NIST SPHERE") from None
    digits = tuple(LABELS.index(letter) for letter in match[1])
    _, group, speaker, _ = parts
    return Example("/".join(parts), split_of[parts[:-1]], samples, digits, f"{group}/{speaker}")

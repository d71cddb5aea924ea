# SPDX-License-Identifier: Apache-2.0
"""What a network is trained on: several changed copies of a training split, drawn from anew.

Sound is changed before its features are made (speed, edges, noise), so copies are made once, at the
start. Channels are cheap: each epoch cuts windows of its own.
"""

import numpy as np
from tqdm import tqdm

from golden.datasets.augment import masked, respoken, variant
from golden.datasets.connected import ConnectedDigits
from golden.train.evaluate import make_item
from golden.train.network import Item


class SoundPools:
    """Copies of spoken examples. An epoch takes each example once, from a copy drawn at random."""

    def __init__(self, copies, mask):
        self._copies, self._mask = copies, mask

    def draw(self, rng):
        """The Items of one epoch, with random bands and times masked."""
        count = len(self._copies[0])
        chosen = [self._copies[rng.integers(len(self._copies))][i] for i in range(count)]
        if not self._mask:
            return chosen
        return [Item(masked(item.x, rng), item.target) for item in chosen]


class WindowPools:
    """Windows of `window` steps (None: whole sequences) of channels, gains and offsets changed."""

    def __init__(self, items, window, jitter):
        self._items, self._window, self._jitter = items, window, jitter

    def draw(self, rng):
        """The Items of one epoch: as many windows as cover every sequence."""
        return [self._cut(item, rng) for item in self._items for _ in range(self._windows(item))]

    def _windows(self, item):
        return 1 if self._window is None else -(-len(item.x) // self._window)

    def _cut(self, item, rng):
        x, target = item.x, item.target
        if self._window is not None and len(x) > self._window:
            start = rng.integers(len(x) - self._window + 1)
            part = slice(start, start + self._window)
            x, target = x[part], target[part]
        if self._jitter:
            gain = rng.normal(1, self._jitter, x.shape[1])
            offset = rng.normal(0, 256 * self._jitter, x.shape[1])
            x = np.clip(np.rint(x * gain + offset), -32768, 32767).astype(np.int16)
        return Item(x, target)


def pools_of(dataset, more, extract, args, rng):
    """The pools for `args` (see `golden.train`); `more` are Examples beside those of the set."""
    examples = [*dataset.of_split("train"), *more]
    if dataset.channels:
        return WindowPools([make_item(extract, e) for e in examples], args.window, args.jitter)
    copies = [_pool(extract, ((e.signal, e.target) for e in examples), len(examples))]
    for _ in range(args.variants):
        if isinstance(dataset, ConnectedDigits):
            drawn = dataset.more_utterances(len(examples), rng, respoken)
        else:
            drawn = ((variant(e.signal, rng), e.target) for e in examples)
        copies.append(_pool(extract, drawn, len(examples)))
    return SoundPools(copies, args.mask)


def _pool(extract, drawn, count):
    with tqdm(drawn, total=count, desc="features", unit="sequence", mininterval=1) as bar:
        return [Item(extract(samples), target) for samples, target in bar]

# SPDX-License-Identifier: Apache-2.0
"""How still a series is, before any network is trained on it: what a delta network could skip.

Δx firing is a property of the data, the frame rate and the threshold alone. Δh firing depends on
the network; an untrained one of the wanted size, driven by the data, gives a first idea of it.
"""

from dataclasses import dataclass

import numpy as np
import torch

from golden import fixed
from golden.batch import hold, run_batch
from golden.files import save_figure
from golden.importers.convert import convert_gru
from golden.layout import column_bytes
from golden.train.network import orthogonal_gru


@dataclass(frozen=True, eq=False)
class Activity:
    """What fires at one threshold (Q8.8) for Δx and Δh alike.

    `channels`: share of steps in which each input element fires, (I,). `silent`: share of steps in
    which no input fires. `states`: share of hidden elements that fire in an untrained network,
    (L,). `saving`: weight bytes of a dense step over those of this network.
    """

    theta: int
    channels: np.ndarray
    silent: float
    states: np.ndarray
    saving: float


def input_activity(signals, theta):
    """Which elements of signals, each int16 (T, I), fire at `theta` (Q8.8): bool (sum of T, I)."""
    fired = []
    for x in signals:
        reference = np.zeros(x.shape[1], np.int32)
        for row in x:
            reference, fires = hold(row, reference, theta)
            fired.append(fires)
    return np.array(fired)


def untrained_model(inputs, hidden, seed=1):
    """An integer model with orthogonal recurrent weights, as training begins with."""
    torch.manual_seed(seed)
    return convert_gru(orthogonal_gru(inputs, hidden[0], len(hidden)))[0]


def activities(signals, thetas, hidden=(128, 128), progress=lambda items: items):
    """An Activity for each of `thetas` over signals, each int16 (T, I), Q8.8."""
    model = untrained_model(signals[0].shape[1], hidden)
    units = np.array(model.hidden_sizes)
    found = []
    for theta in progress(thetas):
        fired = input_activity(signals, theta)
        traces = run_batch(model, signals, theta, theta)
        columns_x = np.concatenate([trace.columns_x for trace in traces]).mean(axis=0)
        columns_h = np.concatenate([trace.columns_h for trace in traces]).mean(axis=0)
        read = ((columns_x + columns_h) * column_bytes(units)).sum()
        found.append(
            Activity(
                theta=theta,
                channels=fired.mean(axis=0),
                silent=float((~fired.any(axis=1)).mean()),
                states=columns_h / units,
                saving=float(model.weight_bytes / read) if read else float("inf"),
            )
        )
    return found


def table(found):
    """Activities as text, one line a threshold."""
    lines = [
        f"{'Θ':>5} {'in units':>9} {'Δx fire %':>9} {'least / most':>14} {'silent steps %':>14} "
        f"{'Δh fire % (untrained)':>22} {'saving':>7}"
    ]
    for one in found:
        share = 100 * one.channels
        states = " / ".join(f"{100 * s:.1f}" for s in one.states)
        lines.append(
            f"{one.theta:>5} {one.theta / (1 << fixed.X_FRAC):>9.3f} {share.mean():>9.1f} "
            f"{f'{share.min():.1f} / {share.max():.1f}':>14} {100 * one.silent:>14.1f} "
            f"{states:>22} {one.saving:>6.1f}x"
        )
    return "\n".join(lines)


def picture(path, title, names, found, rate):
    """Draw firing of each channel against the threshold; `rate`: steps a second."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(13, 5), layout="constrained", width_ratios=(3, 2))
    figure.suptitle(f"{title}, {rate:g} steps a second")
    share = 100 * np.array([one.channels for one in found]).T
    image = axes[0].imshow(share, aspect="auto", cmap="magma", vmin=0, vmax=100, origin="lower")
    axes[0].set_xticks(range(len(found)), [str(one.theta) for one in found])
    if len(names) <= 24:
        axes[0].set_yticks(range(len(names)), names)
    axes[0].set_xlabel("Θ, Q8.8 (256: one deviation of the feature)")
    axes[0].set_title("share of steps in which an input element fires, %", loc="left")
    figure.colorbar(image, ax=axes[0])
    thetas = [one.theta for one in found]
    axes[1].plot(thetas, share.mean(axis=0), marker="o", label="Δx: the data alone")
    for layer in range(len(found[0].states)):
        rest = [100 * one.states[layer] for one in found]
        axes[1].plot(thetas, rest, marker="s", ls="--", label=f"Δh of layer {layer}, untrained")
    axes[1].set_xlabel("Θ, Q8.8")
    axes[1].set_ylabel("elements that fire, %")
    axes[1].set_ylim(0, 105)
    axes[1].grid(alpha=0.3)
    axes[1].legend()
    save_figure(figure, path, dpi=80)
    plt.close(figure)

# SPDX-License-Identifier: Apache-2.0
"""What a training leaves on disk: a log with its plot, and checkpoints to go on from."""

import io
import pickle
from pathlib import Path

import torch

from golden.files import save_figure, write_bytes, write_rows

LOG_COLUMNS = ("stage", "epoch", "loss", "validation", "moves")


def figure(value):
    """A metric with four decimals, or with six digits where it is so small that they are few."""
    return f"{value:.4f}" if value >= 1 or value == 0 else f"{value:.6g}"


class TrainingLog:
    """Metrics of every epoch: ``OUT.log.csv``, and ``OUT.log.png`` at the end.

    `metric`: what validation measures. `rows`: those of a run to go on with. The CSV holds no
    clock, so equal runs leave equal files.
    """

    def __init__(self, out, metric, rows=()):
        self.rows = [list(row) for row in rows]
        self._metric = metric
        self._csv, self._picture = out.with_suffix(".log.csv"), out.with_suffix(".log.png")

    def row(self, stage, epoch, loss, validation, moves):
        """One epoch: mean training loss, validation error, mean |h_t - h_{t-1}| (sum of layers)."""
        self.rows.append([stage, epoch, f"{loss:.6f}", figure(validation), f"{moves:.6f}"])
        self._write()

    def _write(self):
        write_rows(self._csv, [LOG_COLUMNS, *self.rows])

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None and self.rows:
            self._plot()

    def _plot(self):
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(3, 1, figsize=(8, 7), sharex=True, layout="constrained")
        named = ((2, "loss"), (3, f"validation {self._metric}"), (4, "mean |move of h|"))
        for axis, (column, name) in zip(axes, named, strict=True):
            for stage in dict.fromkeys(row[0] for row in self.rows):
                points = [(i, float(r[column])) for i, r in enumerate(self.rows) if r[0] == stage]
                axis.plot(*zip(*points, strict=True), marker=".", label=stage)
            axis.set_ylabel(name)
            axis.grid(alpha=0.3)
        axes[0].set_yscale("log")
        axes[0].legend()
        axes[-1].set_xlabel("epochs, all stages")
        save_figure(figure, self._picture, dpi=80)
        plt.close(figure)


def save_checkpoint(path, **state):
    """Write everything a training needs to go on as if it had not stopped, all or nothing."""
    data = io.BytesIO()
    torch.save(state, data)  # on a full disk torch raises what says nothing of it
    write_bytes(path, data.getvalue())


def load_checkpoint(path, settings, device):
    """What `save_checkpoint` wrote. Raises ValueError if it is of other settings, or unreadable."""
    state = _load(path, device)
    if state.get("settings") != settings:
        old = state.get("settings") or {}
        changed = sorted(k for k in {*old, *settings} if old.get(k) != settings.get(k))
        raise ValueError(
            f"{path}: found a run with other settings ({', '.join(changed)}), "
            "expected the same; without --resume it is begun anew"
        )
    return state


def save_network(path, net):
    """Write the parameters of a network, for ``--start``."""
    save_checkpoint(path, net=net.state_dict())


def load_network(path, device):
    """The parameters in a file of `save_network`. Raises ValueError if it is none."""
    return _load(path, device)["net"]


def _load(path, device):
    path = Path(path)
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except OSError as error:
        raise ValueError(f"{path}: found {error.strerror}, expected a checkpoint") from None
    except (RuntimeError, EOFError, pickle.UnpicklingError, ValueError, KeyError):
        raise ValueError(f"{path}: found something else, expected a checkpoint") from None
    if not isinstance(state, dict) or "net" not in state:
        raise ValueError(f"{path}: found no network in it, expected a checkpoint")
    return state

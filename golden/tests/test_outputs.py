# SPDX-License-Identifier: Apache-2.0
"""Where a command may write: never over what it reads, nor over what it did not make."""

import os

import numpy as np
import pytest

from golden.model_file import save_model
from golden.outputs import (
    MADE_BY,
    Output,
    OutputError,
    anything,
    archive,
    beside,
    check_outputs,
    model_of,
    picture,
    picture_metadata,
    text,
)
from golden.stimulus import random_model


@pytest.mark.parametrize("name", ["same", "relative", "symbolic", "hard", "dangling"])
def test_output_that_is_an_input(name, tmp_path, monkeypatch):
    """Could break: an input destroyed by its other name, with --force or without."""
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "pump.csv"
    source.write_text("a,b\n")
    other = tmp_path / "other.csv"
    if name == "symbolic":
        other.symlink_to(source)
    elif name == "hard":
        os.link(source, other)
    elif name == "dangling":  # the input does not exist; the command says so later
        source.unlink()
        other.symlink_to(source)
    else:
        other = source if name == "same" else source.relative_to(tmp_path)
    for force in (False, True):
        with pytest.raises(OutputError, match=r"--output: found .*csv, the file that --data reads"):
            check_outputs([Output("--output", other, anything)], {"--data": source}, force)


def test_file_of_an_input_folder(tmp_path):
    """Could break: a series of a data set replaced by a table; a model beside it is fine."""
    (tmp_path / "walk.csv").write_text("a,b\n1,2\n")
    (tmp_path / "m.npz").write_bytes(b"")
    data = {"--data": tmp_path}
    with pytest.raises(OutputError, match="a file of the folder that --data reads"):
        check_outputs([Output("--output", tmp_path / "walk.csv")], data, force=True)
    check_outputs([Output("--output", tmp_path / "m.npz")], data)
    check_outputs([Output("--write-split", tmp_path / "split.csv")], data)


def test_two_outputs_of_one_name(tmp_path):
    """Could break: the second of two files written over the first."""
    outputs = [Output("--output", tmp_path / "a"), Output("--json", tmp_path / "b" / ".." / "a")]
    (tmp_path / "b").mkdir()
    with pytest.raises(OutputError, match=r"--json: .* another file than --output writes"):
        check_outputs(outputs, {}, force=True)


def test_existing_file_of_somebody_else(tmp_path):
    """Could break: anything replaced that the command did not make; an empty file is no loss."""
    path = tmp_path / "mine.csv"
    output = Output("--output", path, text("theta_x0,"))
    for content, fine in (("theta_x0,1\n", True), ("", True), ("mine\n", False)):
        path.write_text(content)
        if fine:
            check_outputs([output], {})
        else:
            with pytest.raises(OutputError, match="did not make, expected a new name, or --force"):
                check_outputs([output], {})
        check_outputs([output], {}, force=True)


def test_recognised_model_files(tmp_path):
    """Could break: a model that somebody converted or tuned taken for one that was trained."""
    model = random_model(np.random.default_rng(1), 3, (8,))
    for name, extras in (
        ("train", {MADE_BY: np.array("train")}),
        ("old", {"training": np.array("{}")}),
        ("tune", {"training": np.array("{}"), MADE_BY: np.array("tune")}),
        ("plain", {}),
    ):
        model.extras.clear()
        model.extras.update(extras)
        save_model(tmp_path / f"{name}.npz", model)
    (tmp_path / "text.npz").write_text("no archive")
    made = {path.stem: model_of("train")(path) for path in tmp_path.glob("*.npz")}
    assert made == {"train": True, "old": True, "tune": False, "plain": False, "text": False}
    assert model_of("tune")(tmp_path / "tune.npz") and not model_of("tune")(tmp_path / "old.npz")


def test_recognised_files(tmp_path):
    """Could break: any archive, picture or neighbour taken for one of ours."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    result, other = tmp_path / "out.npz", tmp_path / "other.npz"
    np.savez(result, h=1, latency=2)
    np.savez(other, h=1)
    ours = archive("h", "latency")
    assert ours(result) and not ours(other) and not ours(tmp_path / "none.npz")
    assert beside(result, ours)(tmp_path / "out.fst")
    assert not beside(tmp_path / "none.npz", ours)(tmp_path / "out.fst")
    figure = plt.figure(figsize=(1, 1))
    for suffix in (".png", ".svg"):
        mine, theirs = tmp_path / f"mine{suffix}", tmp_path / f"theirs{suffix}"
        figure.savefig(mine, metadata=picture_metadata(mine))
        figure.savefig(theirs)
        assert picture(mine) and not picture(theirs)
    plt.close(figure)


@pytest.mark.parametrize(
    ("name", "said"),
    [("none/x.csv", "found no folder"), (".", "found a folder"), ("/proc/x.csv", "read-only"),
     ("x" * 300, "too long a name")],
)  # fmt: skip
def test_place_that_takes_no_file(name, said, tmp_path, monkeypatch):
    """Could break: hours of work before it is clear that nothing can be saved."""
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    with pytest.raises(OutputError, match=said):
        check_outputs([Output("--output", Path(name))], {}, force=True)

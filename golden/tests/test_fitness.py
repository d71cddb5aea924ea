# SPDX-License-Identifier: Apache-2.0
"""What is refused before a training begins, in one line."""

import numpy as np
import pytest
import torch

from golden.datasets import Dataset, Example
from golden.train import training as train
from golden.train.fitness import check_data, check_width
from golden.train.network import Item, SequenceNet, batches


def trained(tmp_path, capsys, text, *more):
    (tmp_path / "a.csv").write_text(text)
    words = ["--set", "csv", "--data", str(tmp_path / "a.csv"), "--out", str(tmp_path / "m.npz")]
    epochs = [f"--epochs-{stage}=1" for stage in train.STAGES]
    status = train.main([*words, "--hidden", "8", *epochs, *more])
    printed = capsys.readouterr()
    return status, printed.err.splitlines()


def rows(target, count=40):
    return "".join(f"{(i * i) % 7},{target(i)}\n" for i in range(count))


@pytest.mark.parametrize(
    ("target", "more", "message"),
    [
        (lambda i: 1.5, (), "column y: found the constant 1.5 in train"),
        (lambda i: "abc"[(i % 2) + (i > 35)], (), "found the class 'c' in validation or test"),
        (lambda i: i / 3, ("--block", "7"), "found 6 rows in the validation split, expected 7"),
    ],
)
def test_data_that_cannot_be_learnt(tmp_path, capsys, target, more, message):
    status, said = trained(tmp_path, capsys, "u,y\n" + rows(target), *more)
    assert status == 2
    assert len(said) == 1
    assert message in said[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv"]


def test_more_inputs_than_the_core_has():
    check_width(1024, "a.csv")
    with pytest.raises(ValueError, match=r"a\.csv: found 1025 features a step, expected at most"):
        check_width(1025, "a.csv")


def test_split_without_a_sequence():
    example = Example("a", "train", np.zeros((4, 1)), np.array([0, 1, 0, 1]))
    data = Dataset("csv", "frames", ("a", "b"), (example,), 1.0, "", ("u",))
    with pytest.raises(ValueError, match="found nothing in the validation split"):
        check_data(data, "a.csv")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--batch", "0"), ("--block", "0"), ("--epochs-delta", "-1"), ("--rate-float", "nan")),
        *(("--dropout", "1"), ("--lut-frac", "9"), ("--scale", "0")),
    ],
)
def test_number_that_no_training_has(tmp_path, capsys, option, value):
    words = ["--set", "csv", "--data", "a.csv", "--out", str(tmp_path / "m.npz"), option, value]
    with pytest.raises(SystemExit) as caught:
        train.main(words)
    assert caught.value.code == 2
    assert f"{option}: found {value}, expected" in capsys.readouterr().err


@pytest.mark.parametrize(("unit", "offset"), [(1e-40, 0.0), (1e35, 0.0), (1e-3, 1e9)])
def test_target_of_any_unit(unit, offset):
    """Could break: a target whose changes float32 rounds away."""
    wanted = np.array([[-1.0], [1.0], [1.0], [-1.0]])
    item = Item(np.zeros((4, 1), np.int16), offset + unit * wanted)
    net = SequenceNet(None, 8, "regression", ("y",))
    net.scale_targets([item.target])
    ((_, lengths, target),) = batches([item], "regression", 4)
    exact = net.loss(torch.from_numpy(wanted[:, None].astype(np.float32)), lengths, target)
    assert exact.item() < 1e-8

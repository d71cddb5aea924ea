# SPDX-License-Identifier: Apache-2.0
"""A user's own series as CSV: what is a channel, a label, a target and a split; what is refused."""

import csv
import gzip
import re

import numpy as np
import pytest

from golden import datasets
from golden.datasets import SPLITS, DatasetError
from golden.datasets.__main__ import main


def write(path, header, rows, delimiter=","):
    lines = [delimiter.join(map(str, row)) for row in (header, *rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def series(count=20, label=lambda i: "walk" if i % 3 else "sit"):
    """Rows of time, two channels and a label; the first channel is `at` of the row."""
    return [(f"10:00:{i:02}", at(i), -i / 4, label(i)) for i in range(count)]


def at(row):
    """A number for each row that is no other's, and does not rise as a row number does."""
    return row ^ 1


HEADER = ("time", "ax", "ay", "label")


@pytest.fixture
def walk(tmp_path):
    return write(tmp_path / "walk.csv", HEADER, series())


def runs(folder, names="abcdefghij"):
    """A folder of files; the first channel of file number n counts from 100 n."""
    for n, name in enumerate(names):
        rows = [(t, 100 * n + i, y, label) for i, (t, _, y, label) in enumerate(series(6))]
        write(folder / f"{name}.csv", HEADER, rows)
    return folder


def refused(match, *args, **options):
    with pytest.raises(DatasetError, match=match) as caught:
        datasets.load("csv", *args, **options)
    assert "\n" not in str(caught.value)


def test_time_split_of_one_file(walk):
    data = datasets.load("csv", walk, rate=50.0)
    assert (data.task, data.labels, data.rate) == ("frames", ("sit", "walk"), 50)
    assert data.channels == ("ax", "ay")
    rows = {e.split: e.signal[:, 0].tolist() for e in data.examples}
    assert rows == {
        "train": [at(i) for i in range(14)],
        "validation": [15, 14, 17],
        "test": [16, 19, 18],
    }
    train = data.of_split("train")[0]
    assert train.signal.dtype == np.float64
    assert train.signal[3].tolist() == [2, -0.75]
    assert train.target.dtype == np.int64
    assert train.target[:4].tolist() == [0, 1, 1, 0]
    assert "by order of rows, 70/15/15 %" in data.source


def test_order_split_of_several_files(tmp_path):
    data = datasets.load("csv", runs(tmp_path))
    assert {e.name[0]: e.split for e in data.examples} == {
        **dict.fromkeys("abcdef", "train"),
        **dict.fromkeys("gh", "validation"),
        **dict.fromkeys("ij", "test"),
    }
    assert all(len(e.signal) == 6 for e in data.examples)
    assert "by alphabetical order of files" in data.source


def test_split_column_and_its_sequences(tmp_path):
    splits = ["train"] * 4 + ["test"] * 2 + ["validation"] * 2 + ["train"] * 3
    rows = [(*row, split) for row, split in zip(series(11), splits, strict=True)]
    path = write(tmp_path / "a.csv", (*HEADER, "split"), rows)
    data = datasets.load("csv", path)
    assert data.channels == ("ax", "ay")
    assert [(e.split, e.signal[:, 0].tolist()) for e in data.examples] == [
        ("train", [1, 0, 3, 2]),
        ("test", [5, 4]),
        ("validation", [7, 6]),
        ("train", [9, 8, 11]),
    ]
    assert "by the column split" in data.source


def test_split_csv_beside_the_files(tmp_path):
    rows = [("c.csv", "train"), ("b.csv", "test"), ("a.csv:1-2", "validation")]
    write(runs(tmp_path, "abc") / "split.csv", ("file", "split"), rows)
    data = datasets.load("csv", tmp_path)
    assert {(e.name, e.split, len(e.signal)) for e in data.examples} == {
        ("c.csv", "train", 6),
        ("b.csv", "test", 6),
        ("a.csv:1-2", "validation", 2),
    }
    assert "split.csv says" in data.source


def test_split_csv_of_a_single_file(tmp_path):
    splits = ("train", "validation", "test")
    rows = [(f"a.csv:{2 * i + 1}-{2 * i + 2}", split) for i, split in enumerate(splits)]
    write(runs(tmp_path, "ab") / "split.csv", ("file", "split"), [*rows, ("b.csv", "train")])
    data = datasets.load("csv", tmp_path / "a.csv")
    assert [e.name for e in data.examples] == ["a.csv:1-2", "a.csv:3-4", "a.csv:5-6"]


@pytest.mark.parametrize("several", [True, False])
def test_written_split_round_trip(tmp_path, several):
    folder = tmp_path / "runs"
    folder.mkdir()
    path = runs(folder) if several else runs(folder, "a") / "a.csv"
    first = datasets.load("csv", path)
    datasets.write_split(tmp_path / "s.csv", first)
    again = datasets.load("csv", path, split=tmp_path / "s.csv")
    assert [(e.name, e.split) for e in first.examples] == [
        (e.name, e.split) for e in again.examples
    ]
    for a, b in zip(first.examples, again.examples, strict=True):
        assert np.array_equal(a.signal, b.signal)
        assert np.array_equal(a.target, b.target)
    with (tmp_path / "s.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["split"] for row in written] == [e.split for e in first.examples]


def test_command_options_and_written_split(tmp_path, capsys):
    command = ["csv", str(runs(tmp_path)), "--target", "ay", "--columns", "ax", "--rate", "50"]
    assert main([*command, "--task", "regression"]) == 0
    printed = capsys.readouterr().out
    assert "csv: regression, 6 train, 2 validation, 2 test; 'ay' in " in printed
    assert "channels: ax\ntarget: ay\n" in printed
    assert main([*command, "--write-split", str(tmp_path / "split.csv")]) == 0
    assert "by alphabetical order" in capsys.readouterr().out
    assert main(command) == 0
    assert "6 train, 2 validation, 2 test" in (printed := capsys.readouterr().out)
    assert "split.csv says" in printed


def test_priority_of_a_given_split(tmp_path):
    rows = [(*row, "train") for row in series()]
    path = write(tmp_path / "a.csv", (*HEADER, "split"), rows)
    refused("found no rows in validation .split by the column split.", path)
    splits = [("a.csv:1-9", "train"), ("a.csv:10-12", "validation"), ("a.csv:15-20", "test")]
    split = write(tmp_path / "s.txt", ("file", "split"), splits)
    data = datasets.load("csv", path, split=split)
    assert [len(e.signal) for e in data.examples] == [9, 3, 6]
    write(path, (*HEADER, "split"), [(*row, 1) for row in series()])
    assert datasets.load("csv", path, split=split).channels == ("ax", "ay")


def test_rows_in_one_split_only(tmp_path):
    single = write(tmp_path / "one.csv", HEADER, series(100))
    folder = tmp_path / "runs"
    folder.mkdir()
    for path in (single, runs(folder)):
        data = datasets.load("csv", path)
        groups = [{e.group for e in data.of_split(split)} for split in SPLITS]
        assert sum(map(len, groups)) == len(set.union(*groups))
        rows = np.concatenate([e.signal[:, 0] for e in data.examples])
        assert len(rows) == len(set(rows.tolist())) == (100 if path == single else 60)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("zipped", [True, False])
def test_delimiters_and_gzip(tmp_path, delimiter, zipped):
    path = write(tmp_path / "a.csv", HEADER, series(), delimiter)
    if zipped:
        zip_path = tmp_path / "a.csv.gz"
        zip_path.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    for source in (tmp_path, tmp_path / ("a.csv.gz" if zipped else "a.csv")):
        data = datasets.load("csv", source)
        assert data.channels == ("ax", "ay")
        assert data.of_split("train")[0].signal.shape == (14, 2)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ('\ufeff"a; x";label;', "{0}.5; up{1} ;"),  # the delimiter at the end of each line
        ('\ufeff;"a; x";label', "{0};{0}.5; up{1} "),  # row numbers under no name
    ],
)
def test_spreadsheet_files(tmp_path, header, row):
    text = "\r\n\r\n".join([header, *(row.format(at(i), i % 2) for i in range(8)), ""])
    (tmp_path / "a.csv").write_bytes(text.encode())
    data = datasets.load("csv", tmp_path / "a.csv")
    assert data.channels == ("a; x",)  # a column without a name is no channel
    assert data.labels == ("up0", "up1")
    assert data.of_split("train")[0].signal[:3].tolist() == [[1.5], [0.5], [3.5]]


@pytest.mark.parametrize("time", ["time", "Timestamp", "DATETIME", "date"])
def test_channel_selection(tmp_path, time):
    rows = [(i, at(i), "remark", "", 2 * at(i), f"c{i % 2}") for i in range(20)]
    path = write(tmp_path / "a.csv", (time, "b", "note", "empty", "a", "Label"), rows)
    data = datasets.load("csv", path)
    assert data.channels == ("b", "a")
    chosen = datasets.load("csv", path, columns=["a", time])
    assert chosen.channels == ("a", time)
    assert chosen.of_split("train")[0].signal[5].tolist() == [8, 5]


def test_default_target_names(tmp_path):
    rows = [(at(i), i % 2, i % 3) for i in range(30)]
    for header, target, channels in (
        (("x", "y", "label"), "label", ("x", "y")),
        (("x", "y", "target"), "target", ("x", "y")),
        (("y", "label", "target"), "label", ("y", "target")),
        (("x", "z", "Y"), "Y", ("x", "z")),
    ):
        data = datasets.load("csv", write(tmp_path / "a.csv", header, rows))
        assert (repr(target) in data.source, data.channels) == (True, channels)
    data = datasets.load("csv", tmp_path / "a.csv", target="z")
    assert data.channels == ("x", "Y")


@pytest.mark.parametrize(
    ("values", "task", "labels"),
    [
        (["b", "a", "c"], "frames", ("a", "b", "c")),
        ([10, 2, 1], "frames", ("1", "2", "10")),
        (["10", "2.0", "2"], "frames", ("2", "10")),
        ([-1, 1], "frames", ("-1", "1")),
        (["1_2", "1_3"], "frames", ("1_2", "1_3")),
        (list(range(20)), "frames", tuple(map(str, range(20)))),
        (list(range(21)), "regression", ("label",)),
        ([1, 2, 2.5], "regression", ("label",)),
        ([1e300, 2.0], "frames", (str(2), str(int(1e300)))),
    ],
)
def test_task_from_the_target(tmp_path, values, task, labels):
    rows = series(4 * len(values) + 12, lambda i: values[i % len(values)])
    data = datasets.load("csv", write(tmp_path / "a.csv", HEADER, rows))
    assert (data.task, data.labels) == (task, labels)
    target = data.of_split("train")[0].target
    if task == "regression":
        assert target.dtype == np.float64
        assert target[: len(values)].tolist() == [[value] for value in values]
    else:
        assert set(target.tolist()) == set(range(len(labels)))
        first = labels[target[0]]
        assert first == str(values[0]) or float(first) == float(values[0])


def test_labels_across_files(tmp_path):
    for name, label in (("a", "z"), ("b", "m"), ("c", "a")):
        rows = series(6, lambda i, label=label: label if i % 2 else "n")
        write(tmp_path / f"{name}.csv", HEADER, rows)
    data = datasets.load("csv", tmp_path)
    assert data.labels == ("a", "m", "n", "z")
    assert [e.target[:2].tolist() for e in data.examples] == [[2, 3], [2, 1], [2, 0]]


def test_chosen_task(tmp_path):
    path = write(tmp_path / "a.csv", HEADER, series(20, lambda i: i % 4))
    data = datasets.load("csv", path, task="regression")
    assert (data.task, data.labels) == ("regression", ("label",))
    assert data.of_split("train")[0].target[:5].tolist() == [[0], [1], [2], [3], [0]]
    path = write(tmp_path / "b.csv", HEADER, series(20, lambda i: (0.5, "off")[i % 2]))
    data = datasets.load("csv", path, task="frames")
    assert (data.task, data.labels) == ("frames", ("0.5", "off"))


def changed(path, row, column, value):
    """The file with one cell replaced; `row` counted from 1, as in messages."""
    lines = [line.split(",") for line in path.read_text().splitlines()]
    lines[row][lines[0].index(column)] = value
    path.write_text("\n".join(",".join(line) for line in lines) + "\n")
    return path


@pytest.mark.parametrize("value", ["x", "", "nan", "inf", '"1,5"'])
def test_cell_that_is_not_a_number(walk, value):
    changed(walk, 7, "ay", value)
    found = value.strip('"')
    refused(rf"walk\.csv: column ay: row 7: found '{found}', expected a finite number", walk)


@pytest.mark.parametrize("value", ["", "nan"])
def test_row_without_a_label(walk, value):
    changed(walk, 5, "label", value)
    refused(rf"walk\.csv: column label: row 5: found '{value}', expected ", walk)
    refused(rf"walk\.csv: column label: row 5: found '{value}', expected ", walk, task="frames")


def test_mixed_target(tmp_path):
    path = write(tmp_path / "a.csv", HEADER, series(20, lambda i: 0.5 * i if i != 8 else "12.O"))
    refused(r"column label: row 9: found '12.O', expected a number as in row 1", path)
    refused(r"column label: row 9: found '12.O', expected a finite number", path, task="regression")
    changed(path, 1, "label", "off")
    refused(r"column label: row 2: found '0.5', expected text as in row 1", path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file, expected a header row"),
        ("a,label\n", "found no rows below the header, expected one"),
        ("1,2\n3,4\n", "found no name in the first row, expected a header row"),
        ("a,label\n1,x\n2\n", "row 2: found 1 cells, expected 2 as in the header"),
        ("a,label\n1,x,3\n", "row 1: found 3 cells, expected 2 as in the header"),
        ("a,a,label\n1,2,x\n", "column a: found twice, expected once"),
        ("label\nx\n", "found the only column label, expected two or more"),
        ("a,b\n1,x\n", "found columns a, b, expected one named label, target, y"),
        ("a,label\nu,x\nv,x\nw,y\n", "found no column of numbers beside 'label', expected one"),
        ("a,label\n1,x\n2,y\n", "found 2 rows, expected 3 or more to split by their order"),
        ("a,label\n1,x\n2,x\n3,x\n", "column label: found one class in train, 'x', expected two"),
        ("a,label\n1,x\n2,x\n3,y\n4,y\n", "column label: found one class in train, 'x'"),
        ("a,label,split\n1,x,train\n2,y,tset\n", "column split: row 2: found 'tset', expected tr"),
        ("a,label,split\n1,x,train\n2,y,test\n", "found no rows in validation .split by the colum"),
    ],
)
def test_bad_file_message(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    refused(rf"a\.csv: {message}", path)


@pytest.mark.parametrize("content", [b"a,label\n\xff\xfe,x\n", b"\x1f\x8b not gzip"])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_file_that_is_not_text(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    refused(rf"{name}: found .*, expected a CSV file in UTF-8", tmp_path)


def test_files_with_different_columns(tmp_path):
    runs(tmp_path)
    write(tmp_path / "k.csv", ("ax", "label"), [(1, "sit"), (2, "walk")])
    refused(r"k\.csv: column ay: found none, expected it beside ax, label", tmp_path)
    assert datasets.load("csv", tmp_path, columns=["ax"]).channels == ("ax",)
    write(tmp_path / "k.csv", (*HEADER, "az"), [(*row, 1) for row in series(4)])
    refused(r"a\.csv: column az: found none", tmp_path)
    write(tmp_path / "k.csv", (*HEADER, "split"), [(*row, "train") for row in series(4)])
    refused(r"a\.csv: column split: found none", tmp_path)
    write(tmp_path / "k.csv", ("ax", "ay"), [(1, 2)])
    refused(r"k\.csv: column label: found none, expected it beside ax, ay", tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "colour"}, "column colour: found none, expected it beside time, ax, ay, label"),
        ({"columns": ["ax", "az"]}, "column az: found none"),
        ({"columns": []}, "columns: found none, expected some"),
        ({"columns": ["ax", "label"]}, "columns: found ax, label, .* without the target label"),
        ({"columns": ["ax", "ax"]}, "columns: found ax, ax, expected some, each once"),
        ({"columns": ["time"]}, "column time: row 1: found '10:00:00', expected a finite number"),
        ({"task": "ctc"}, "task: found 'ctc', expected frames or regression"),
        ({"task": "regression"}, "column label: row 1: found 'sit', expected a finite number"),
        ({"rate": 0.0}, "rate: found 0.0, expected rows per second, above 0"),
        ({"split": "none.csv"}, "none.csv: found .*No such file"),
        ({"colour": 1}, "csv: found the option 'colour', expected target, columns, task, split"),
    ],
)
def test_bad_options(walk, options, message):
    refused(message, walk, **options)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a.csv", "train")], "found no b.csv, expected a split for each file"),
        ([("z.csv", "train")], "column file: row 1: found 'z.csv', expected one of a.csv, b.csv"),
        ([("a.csv", "dev")], "column split: row 1: found 'dev', expected train, validation, test"),
        ([("a.csv:0-3", "train")], "row 1: found 'a.csv:0-3', expected rows from 1 to 6"),
        ([("a.csv:1-7", "train")], "row 1: found 'a.csv:1-7', expected rows from 1 to 6"),
        ([("a.csv:3-2", "train")], "row 1: found 'a.csv:3-2', expected rows from 1 to 6"),
        (
            [("a.csv:1-3", "train"), ("a.csv:3-6", "test")],
            "row 2: found 'a.csv:3-6', expected no row of a file twice",
        ),
    ],
)
def test_bad_split_file(tmp_path, rows, message):
    write(runs(tmp_path, "ab") / "split.csv", ("file", "split"), rows)
    refused(rf"split\.csv: .*{message}", tmp_path)


def test_incomplete_split_file(tmp_path):
    write(runs(tmp_path, "abc") / "split.csv", ("name", "split"), [("a.csv", "train")])
    refused(r"split\.csv: column file: found none, expected it beside name, split", tmp_path)
    rows = [("a.csv", "train"), ("b.csv", "test"), ("c.csv", "test")]
    write(tmp_path / "split.csv", ("file", "split"), rows)
    refused("found no rows in validation .split as .*split.csv says", tmp_path)


def test_too_few_files_to_split(tmp_path):
    refused("found 2 files, expected 3 or more to split by their order", runs(tmp_path, "ab"))


def column(folder, cells, delimiter=";", name="ax", label=lambda i: ["sit", "walk"][i // 3 % 2]):
    """A file in which a column has these cells, beside a channel and a label."""
    rows = [(at(i), cell, label(i)) for i, cell in enumerate(cells)]
    return write(folder / "a.csv", ("b", name, "label"), rows, delimiter)


def values(data, name):
    """All rows of a channel, in order."""
    order = sorted(data.examples, key=lambda e: int(e.name.rpartition(":")[2].split("-")[0]))
    return np.concatenate([e.signal[:, data.channels.index(name)] for e in order]).tolist()


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["0,5", "-1,25", "1.0", "2"], None),
        (["0,5", "-1,25", "3", "2,0001"], [0.5, -1.25, 3, 2.0001]),
        (["20,013", "-0,199", "4,816", "1,0e2"], [20.013, -0.199, 4.816, 100]),
        (["1D2", "-2.5d-1", "1E1", ".5"], [100, -0.25, 10, 0.5]),
        (["true", "FALSE", "True", "false"], [1, 0, 1, 0]),
        (["+1", "2.", "-.5", "1e-12"], [1, 2, -0.5, 1e-12]),
    ],
)
def test_ways_to_write_a_number(tmp_path, cells, expected):
    """Could break: a column dropped, or read as other numbers, for its decimal mark or exponent."""
    path = column(tmp_path, cells * 5)
    if expected is None:
        refused("column ax: row 1: found '0,5', .*this is a number with a comma", path)
        return
    data = datasets.load("csv", path)
    assert data.channels == ("b", "ax") and values(data, "ax") == expected * 5


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("12%", "a percentage"),
        ("12 %", "a percentage"),
        ("3.3V", "a number with a unit"),
        ("-5 ms", "a number with a unit"),
        ("$5.00x", "a number with a unit"),
        ("1,234.5", "a number with thousands marks"),
        ("1'234'567", "a number with thousands marks"),
        ("1.234.567", "a number with thousands marks"),
        ("0x1F", "a number of another base"),
        ("1,2,3", "a number with a comma"),
    ],
)
def test_cells_that_are_almost_numbers(tmp_path, cell, found):
    """Could break: a channel, or the target, that is dropped or turned into classes by its form."""
    path = column(tmp_path, [cell, cell.replace("1", "2")] * 10)
    refused(rf"column ax: row 1: found {re.escape(repr(cell))}, .*{found}.*--columns", path)
    assert datasets.load("csv", path, columns=["b"]).channels == ("b",)
    path = column(tmp_path, range(20), label=lambda i: f"1{cell}" if i % 2 else cell)
    if found == "a number with a unit":  # 5 km and 10 km are labels
        assert datasets.load("csv", path, columns=["b"]).task == "frames"
    else:
        refused(f"column label: row 1: .*{found}", path, columns=["b"])
        assert datasets.load("csv", path, columns=["b"], task="frames").task == "frames"


def test_comma_that_is_decimal_or_thousands(tmp_path):
    """Could break: 20,013 read as one or the other without a word."""
    path = column(tmp_path, ["20,013", "21,500"] * 10)
    refused("column ax: row 1: found '20,013', expected .*The option --decimal says so", path)
    data = datasets.load("csv", path, decimal=",")
    assert values(data, "ax")[:2] == [20.013, 21.5] and "decimal commas" in data.notes
    refused("this is a number with thousands marks", path, decimal=".")
    refused("decimal: found ':', expected one of . ,", path, decimal=":")


def test_regression_target_with_decimal_commas(tmp_path):
    """Could break: a target of hundreds of values taken for hundreds of classes."""
    path = column(tmp_path, [1, 5] * 100, label=lambda i: f"2{i % 83},{i % 7}0")
    data = datasets.load("csv", path)
    assert (data.task, data.labels) == ("regression", ("label",))
    assert data.of_split("train")[0].target[:3, 0].tolist() == [20.0, 21.1, 22.2]


def test_target_of_many_texts(tmp_path):
    """Could break: a column of names taken for the classes."""
    path = column(tmp_path, [1, 5] * 100, label=lambda i: f"run{i}")
    refused("column label: found 200 different texts, such as 'run0', .*--task frames", path)
    rows = [(at(i), f"run{i % 150}") for i in range(1000)]
    path = write(tmp_path / "b.csv", ("b", "label"), rows)
    assert len(datasets.load("csv", path, task="frames").labels) == 150


@pytest.mark.parametrize(
    ("name", "cell", "role"),
    [
        ("Time", lambda i: at(i), "a time stamp by its name"),
        ("index", lambda i: at(i), "a row number by its name"),
        ("Zeit", lambda i: i, "a row number or a clock"),
        ("clock", lambda i: 1.7e9 + 0.02 * i, "a row number or a clock"),
        ("when", lambda i: f"2024-05-0{i % 9 + 1} 10:00", "a time stamp"),
        ("when", lambda i: f"{i % 24}:30", "a time stamp"),
        ("remark", lambda i: "ok", "text"),
        ("void", lambda i: "", "empty"),
    ],
)
def test_columns_left_out(tmp_path, name, cell, role):
    """Could break: a row number or a clock that becomes a feature, or a column lost in silence."""
    path = column(tmp_path, [cell(i) for i in range(30)], name=name)
    data = datasets.load("csv", path)
    assert data.channels == ("b",)
    assert any(note.startswith(f"{name}: left out, {role}") for note in data.notes)
    assert f"{name}: left out" in data.summary()


def test_column_that_only_rises(tmp_path):
    """Could break: an irregular clock that becomes a feature; or a meter that is left out."""
    path = column(tmp_path, [i + (i % 3) / 10 for i in range(30)])
    refused("column ax: row 1: found '0.0', expected a channel: it rises in every row", path)
    assert datasets.load("csv", path, columns=["b", "ax"]).channels == ("b", "ax")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a,label\n1,"x\n2,y\n3,x\n', "line 4: found .*, expected quotes that open and close"),
        ('a,label\n1,"x\n2,y"\n3,x\n', "row 1: found a cell over several lines"),
        ('a,label\n1,"x"y\n', "line 2: found .*, expected quotes"),
        ("a;b,label\n1;2,x\n", "found a header that ',' and ';' cut alike, .*--delimiter"),
        ("a,label\n1,x\0\n", "found a zero byte"),
    ],
)
def test_quotes_and_marks(tmp_path, text, message):
    """Could break: an unclosed quote that swallows the rest of the file."""
    path = tmp_path / "a.csv"
    path.write_text(text)
    refused(rf"a\.csv: {message}", path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_and_line_ends(walk, encoding, end):
    """Could break: a file from a spreadsheet, with a mark in front or other line ends."""
    reference = datasets.load("csv", walk)
    text = walk.read_text(encoding="utf-8").replace("\n", end)
    walk.write_bytes(text.encode(encoding))
    data = datasets.load("csv", walk)
    assert data.channels == reference.channels and values(data, "ax") == values(reference, "ax")


def test_constant_target_and_missing_class(tmp_path):
    """Could break: a training that cannot learn, found out when it is over."""
    path = column(tmp_path, [1, 5] * 20, label=lambda i: 2.5 if i < 28 else i)
    refused("column label: found the constant 2.5 in train", path)
    path = column(tmp_path, [1, 5] * 20, label=lambda i: "c" if i > 35 else "ab"[i % 2])
    notes = datasets.load("csv", path).notes
    assert "warning: no row of train has c, which validation or test has" in notes

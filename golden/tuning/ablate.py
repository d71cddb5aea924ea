# SPDX-License-Identifier: Apache-2.0
"""What each training trick brings: a recipe trained again without it, or with another setting.

``python -m golden.tuning.ablate --recipe NAME --data FOLDER --start OUT.quantised.ckpt --out
TABLE`` reads the changes from ``[NAME.ablations]`` in recipes.toml. A change of the delta stage
begins from the given quantised network, like the recipe itself; one with ``scratch = true`` is
trained from the beginning, since it changes the features or the network. Every row is the integer
model's.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from golden.command import Parser, status_of
from golden.files import write_records, write_text
from golden.outputs import FORCE, FORCE_HELP, Output, check_outputs, text
from golden.train import training as train
from golden.train.evaluate import evaluate_items, prepare
from golden.tuning.search import loss_of_scores


def rows(recipe, data, start, folder, only=(), progress=lambda items: items):
    """The recipe and its ablations, a dict each: thresholds, errors, loss, saving (test split).

    `folder`: where the trainings leave their files. `only`: names of ablations to run.
    """
    written = train.recipes()[recipe].get("ablations", {})
    changes = {"the recipe": {}, **written}
    for name in progress([name for name in changes if not only or name in only]):
        change = dict(changes[name])
        scratch = change.pop("scratch", False)
        out = Path(folder) / f"{recipe}-{list(changes).index(name)}.npz"
        words = ["--recipe", recipe, "--data", str(data), "--out", str(out)]
        for option, value in change.items():
            if isinstance(value, bool):
                words.append(f"--{option}" if value else f"--no-{option}")
            else:
                values = value if isinstance(value, list) else [value]
                words += [f"--{option}", *map(str, values)]
        if not scratch:
            words += ["--start", str(start)]
        training = train.Training(train.parse_arguments(words))
        training.run()
        model = training.model()[0]
        row = {"ablation": name, "scratch": int(scratch)}
        for split in ("validation", "test"):
            items = prepare(model, training.dataset.of_split(split))
            dense = evaluate_items(training.dense, items, 0, 0)
            found = evaluate_items(model, items)
            row |= {
                f"{split}_error_theta_0": round(dense.score.value, 4),
                f"{split}_error": round(found.score.value, 4),
                f"{split}_loss": round(loss_of_scores(found.score, dense.score), 4),
                f"{split}_saving": round(found.saving, 2),
            }
        row["theta_x"] = " ".join(map(str, model.theta_x.tolist()))
        row["theta_h"] = " ".join(map(str, model.theta_h.tolist()))
        yield row


PAGE_BEGINS = "| what is changed"


def markdown(found, metric):
    """Rows as a Markdown table, test split."""
    lines = [
        f"{PAGE_BEGINS} | Θx | Θh | {metric} at Θ = 0 | {metric} | loss | fewer weight bytes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found:
        lines.append(
            f"| {row['ablation']} | {row['theta_x']} | {row['theta_h']} | "
            f"{row['test_error_theta_0']:.2f} | {row['test_error']:.2f} | "
            f"{row['test_loss']:+.2f} | {row['test_saving']:.1f}x |"
        )
    return "\n".join(lines) + "\n"


def main(arguments=None):
    """Entry point; returns the exit status."""
    parser = Parser(
        prog="python -m golden.tuning.ablate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--recipe", required=True, choices=train.recipes(), help="a recipe of recipes.toml")
    add("--data", required=True, type=Path, help="folder of the data set")
    add("--start", required=True, type=Path, help="OUT.quantised.ckpt of the recipe's training")
    add("--folder", type=Path, default=Path("build/ablations"), help="where trainings leave files")
    add("--only", nargs="+", default=(), metavar="NAME", help="run these ablations alone")
    add("--out", required=True, type=Path, help="table to write, as .csv and .md")
    add(FORCE, action="store_true", help=FORCE_HELP)
    args = parser.parse_args(arguments)
    return status_of(parser.prog, lambda: ablate(args))


def ablate(args):
    """Everything the command does; raises what it ends in otherwise. The table grows row by row."""
    table, page = args.out.with_suffix(".csv"), args.out.with_suffix(".md")
    outputs = [Output("--out", table, text("ablation,")), Output("--out", page, text(PAGE_BEGINS))]
    check_outputs(outputs, {"--data": args.data, "--start": args.start}, args.force)
    args.folder.mkdir(parents=True, exist_ok=True)
    found = []
    for row in rows(
        args.recipe, args.data, args.start, args.folder, args.only, lambda n: tqdm(list(n))
    ):
        found.append(row)
        write_records(table, found)
        write_text(page, markdown(found, "error"))
        print(row)


if __name__ == "__main__":
    sys.exit(main())

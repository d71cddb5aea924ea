# SPDX-License-Identifier: Apache-2.0
"""Open a moment of a dump: layouts for GTKWave and Surfer, or the picture itself, or as text."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from golden.outputs import Recogniser, picture, text
from tb.command_line import (
    BadInputError,
    Output,
    Parser,
    add_force,
    check_outputs,
    status_of,
    whole_number,
)
from tb.debug.waves.outputs import AFTER, BEFORE, Scene, open_scene, save_picture
from tb.debug.waves.text import draw_text
from tb.settings import settings

VIEWERS = {"gtkwave": ".gtkw", "surfer": ".sucl"}
MADE: dict[str, Recogniser] = {
    "gtkwave": text("[dumpfile]"),
    "surfer": text("divider_add"),
    "svg": picture,
    "png": picture,
}

EPILOG = """\
what is shown
  Signals by stage of the pipeline, as tb/tables/waves.toml lists them: enums by name, Q8.8 and
  Q17.15 as numbers. After scripts/localise.py the dump has the golden model's values too: each
  below the core's. Markers: the divergence, begins of steps, starts of the gates of each layer.
  A column of a picture is a clock cycle and holds what flip-flops take at its edge. Without
  --group it shows a few signals of each stage and, of the stage at fault, all.

which moment
  the divergence, if DUMP has a divergence.json beside it or --divergence names one;
  else the start of the first step in the dump; --at and --step choose another.

examples
  WAVES=1 python -m pytest ...                    writes a dump and says where
  waves.py RUN/edgedrnn_tb.fst                    the text, as wide as the terminal
  waves.py --divergence RUN/divergence.json --svg wrong.svg --text
  waves.py RUN/edgedrnn_tb.fst --step 3 --open gtkwave
  waves.py RUN/edgedrnn_tb.fst --at 4725 --group "weight port" --group "PE array" --ascii

exit status
  0  written; 2  bad input: one line says what was found and what was expected
"""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="waves.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dump", nargs="?", metavar="DUMP", help="FST or VCD of a test with WAVES=1")
    moment = parser.add_argument_group("the moment")
    moment.add_argument("--divergence", metavar="FILE", help="a divergence.json; it names the dump")
    moment.add_argument("--at", metavar="NS", help="a time in ns")
    moment.add_argument("--step", metavar="N", help="the start of a time step")
    moment.add_argument("--cycles", metavar="N", default=str(BEFORE + AFTER + 1),
                        help="clock cycles in a picture (default: %(default)s)")  # fmt: skip
    moment.add_argument("--group", action="append", default=[], metavar="NAME",
                        help="show this group in full, and no others; may be repeated")  # fmt: skip
    output = parser.add_argument_group("what to write (default: --text)")
    output.add_argument("--gtkwave", metavar="OUT.gtkw", help="a GTKWave save file")
    output.add_argument("--surfer", metavar="OUT.sucl", help="a Surfer command file")
    output.add_argument("--svg", metavar="OUT.svg", help="the picture, scalable")
    output.add_argument("--png", metavar="OUT.png", help="the picture, in pixels")
    output.add_argument("--text", action="store_true", help="the picture as text")
    output.add_argument("--ascii", action="store_true", help="the text in ASCII only")
    output.add_argument("--width", metavar="N", help="characters a line (default: the terminal's, "
                        "or 120)")  # fmt: skip
    output.add_argument("--open", choices=VIEWERS, help="write a layout beside the dump and start "
                        "the viewer")  # fmt: skip
    add_force(parser)
    return parser.parse_args(argv)


def _time(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        raise BadInputError(f"--at: found {text!r}, expected a time in ns") from None


def _open(scene: Scene, viewer: str) -> None:
    """Become the viewer, started where the layout lies, so that it finds what belongs to it."""
    program = shutil.which(viewer)
    if program is None:
        raise BadInputError(f"--open: found no {viewer} on PATH, expected it installed")
    dump = scene.wave.path.resolve()
    layout = dump.with_suffix(VIEWERS[viewer])
    getattr(scene, viewer)(layout)
    option = "--command-file" if viewer == "surfer" else "--save"
    os.chdir(dump.parent)
    sys.stdout.flush()
    os.execv(program, [viewer, f"{option}={layout}", str(dump)])


def run(args: argparse.Namespace) -> None:
    """Do what the command line asks for; BadInputError, WaveError."""
    if args.at is not None and args.step is not None:
        raise BadInputError("--at, --step: found both, expected one of them")
    files = {name: Path(value) for name in ("gtkwave", "surfer", "svg", "png")
             if (value := getattr(args, name)) is not None}  # fmt: skip
    outputs = [Output(f"--{name}", path, MADE[name]) for name, path in files.items()]
    check_outputs(outputs, {"DUMP": args.dump, "--divergence": args.divergence}, args.force)
    cycles = whole_number(args.cycles, "--cycles", 4, 400)
    step = None if args.step is None else whole_number(args.step, "--step", 0, 10**9)
    width = shutil.get_terminal_size((120, 40)).columns
    if args.width is not None:
        width = whole_number(args.width, "--width", 40, 1000)
    scene = open_scene(
        Path(args.dump) if args.dump else None,
        Path(args.divergence) if args.divergence else None,
        _time(args.at),
        step,
    )
    shown = scene.diagram(cycles, args.group)
    for name, path in files.items():
        if name in VIEWERS:
            getattr(scene, name)(path)
        else:
            save_picture(shown, path)
    if args.text or args.ascii or not (files or args.open):
        colour = sys.stdout.isatty() and not settings().no_color
        print(draw_text(shown, width=width, ascii_only=args.ascii, colour=colour), end="")
    if args.open:
        _open(scene, args.open)


def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    return status_of("waves.py", lambda: run(args), ())

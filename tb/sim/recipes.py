# SPDX-License-Identifier: Apache-2.0
"""How each simulator compiles a top. A change of this file makes every build a new one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, ClassVar

from tb.paths import BUILD_ROOT, CPP_DIR, RTL_FILELIST, TOPS
from tb.settings import tool_env
from tb.sim.folders import exclusive, remove_all_but
from tb.sim.toolchain import (
    VERILATED_MK_FIXES,
    cocotb_libraries,
    cocotb_main,
    gxx_version,
    has_headers,
    tool_version,
    verilator_env,
    verilator_root,
)

PUBLIC_VLT = TOPS / "public.vlt"
WAVE_MAIN = CPP_DIR / "wave_main.cpp"
TIMESCALE = "1ns/1ps"
HEADER = "library.h"
HEADER_TEXT = """#ifndef VERILATED_LIBRARY_H_
#define VERILATED_LIBRARY_H_
#include "verilated.h"
#include "verilated_dpi.h"
#include "verilated_vpi.h"
#if VM_TIMING
#include "verilated_timing.h"
#endif
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif
#endif
"""


class VerilatorRecipe:
    """Verilator with cocotb's library, without the slow ``--public-flat-rw``.

    Three main programs: for long runs one of ours, which makes the clock; for a build with waves or
    coverage, and for all other tops, cocotb's; for ``loop_top`` one that does without cocotb.
    """

    executable_name = "simulation"
    # Tops for long runs are compiled for speed. The whole core's bench is compiled quickly:
    # small functions in small files keep both cores busy, in half the time, and cost a tenth of the
    # speed. A single module is too small for that to pay.
    mains: ClassVar = {
        "run_top": CPP_DIR / "run_main.cpp",
        "loop_top": CPP_DIR / "loop_main.cpp",
    }
    fast_tops = tuple(mains)
    split_tops = ("edgedrnn_tb",)
    large_split = ("--output-split", "20000")
    small_split = ("--output-split", "5000", "--output-split-cfuncs", "300")

    def wave_suffix(self) -> str:
        """FST, a tenth of VCD's size, where the headers that Verilator's writer needs are there."""
        return ".fst" if has_headers("lz4.h", "zlib.h") else ".vcd"

    def identity(self) -> str:
        tools = [tool_version(("verilator",)), gxx_version(), str(cocotb_libraries())]
        return "|".join([*tools, self.wave_suffix()])

    def extra_inputs(self, plan: dict[str, Any]) -> list[Path]:
        return [self._main(plan), *([PUBLIC_VLT] if plan["top"] == "run_top" else [])]

    def _main(self, plan: dict[str, Any]) -> Path:
        if plan["waves"] and plan["top"] != "loop_top":
            return WAVE_MAIN
        if plan["top"] == "run_top" and plan["coverage"]:
            return cocotb_main()
        return self.mains.get(plan["top"]) or cocotb_main()

    def _cocotb_words(self, plan: dict[str, Any], scratch: Path) -> list[str]:
        """What makes it a simulation under cocotb: VPI, its library, and what Python may see."""
        libs = cocotb_libraries()
        if plan["top"] == "run_top":
            control = PUBLIC_VLT
        else:
            control = scratch / "public.vlt"
            control.write_text(
                f'`verilator_config\npublic_flat_rw -module "{plan["top"]}" -var "*"\n'
            )
        link = f"-Wl,-rpath,{libs} -L{libs} -lcocotbvpi_verilator"
        words = ["--vpi", "-LDFLAGS", link, str(control)]
        if plan["waves"]:  # what the window by steps looks at
            steps = scratch / "steps.vlt"
            steps.write_text(
                '`verilator_config\npublic_flat_rd -module "trace_monitor" -var "step_q"\n'
            )
            words += ["-CFLAGS", f"-I{cocotb_main().parent}", str(steps)]
        return words

    def _coverage_words(self, sources: list[Path], scratch: Path) -> list[str]:
        """Count lines, branches, toggles and expressions, but not those of the bench."""
        control = scratch / "coverage.vlt"
        bench = [f'coverage_off -file "{s}"' for s in sources if not is_rtl(s)]
        control.write_text("\n".join(["`verilator_config", *bench, ""]))
        return ["--coverage-line", "--coverage-toggle", "--coverage-expr", str(control)]

    def commands(
        self, plan: dict[str, Any], sources: list[Path], dirs: list[Path], scratch: Path
    ) -> Generator[tuple[list[str], dict[str, str]], None, None]:
        main = self._main(plan)
        fast = plan["top"] in self.fast_tops and not plan["waves"]
        optimise = "-O2" if fast else "-O1"
        command = [
            str(verilator_root() / "bin" / "verilator"),
            *("--cc", "--exe", "--timing", "--assert", "-O3", "-j", "2"),
            *("--x-assign", "unique", "--x-initial", "unique"),
            *("--timescale", TIMESCALE, "-Wno-fatal"),
            *(self.small_split if plan["top"] in self.split_tops else self.large_split),
            *("--Mdir", str(scratch), "--top-module", plan["top"], "--prefix", "Vtop"),
            *("-o", self.executable_name, "-CFLAGS", "-std=gnu++20"),
            *([] if plan["top"] == "loop_top" else self._cocotb_words(plan, scratch)),
            *(["-DCLOCK_FROM_MAIN"] if main == self.mains["run_top"] else []),
            *([f"--trace-{self.wave_suffix()[1:]}"] if plan["waves"] else []),
            *(self._coverage_words(sources, scratch) if plan["coverage"] else []),
            *plan["extra_args"],
            *(f"-D{name}={value}" for name, value in plan["defines"].items()),
            *(f"-G{name}={value}" for name, value in plan["parameters"].items()),
            *(f"-I{folder}" for folder in dirs),
            *map(str, sources),
            str(main),
        ]
        yield command, verilator_env()
        make = [
            *("make", "-s", "-j", "2", "-C", str(scratch), "-f", "Vtop.mk"),
            *VERILATED_MK_FIXES,
            "OPT_GLOBAL=-O2",
            *([f"OBJCACHE={cache}"] if (cache := shutil.which("ccache")) else []),
        ]
        levels = {"FAST": optimise, "SLOW": "-O0"}
        with self._library(plan, scratch) as (shared, missing):
            if missing:
                yield [*make, *missing], verilator_env()
            classes = (scratch / "Vtop_classes.mk").read_text()
            parallel = "VM_PARALLEL_BUILDS = 1" in classes  # else all is one file, compiled as fast
            if not fast:
                for level in levels.values() if parallel else [optimise]:
                    yield from self._header(make, level, shared, scratch)
        if fast:  # g++ 12 crashes on this header with -O2; few designs are compiled so
            yield (
                [*make, *(f"OPT_{name}={level}" for name, level in levels.items())],
                verilator_env(),
            )
            return
        # Its own precompiled header would hold little more than the library's: never make it.
        for name in levels:
            (scratch / f"Vtop__pch.h.{name.lower()}.gch").touch()
        include = f"-include {shared / HEADER}"
        words = [f"OPT_{name}={level} {include}" for name, level in levels.items()]
        words += [f"VK_PCH_I_{name}=-include Vtop__pch.h" for name in levels]
        yield [*make, *words], verilator_env()

    def _header(
        self, make: list[str], level: str, shared: Path, scratch: Path
    ) -> Iterator[tuple[list[str], dict[str, str]]]:
        """Precompile the header of Verilator's library, nearly all that g++ reads of a design.

        ``<header>.gch`` is a folder: g++ takes the file in it that was made with its own switches.
        """
        classes = (scratch / "Vtop_classes.mk").read_text()
        switches = re.findall(r"^VM_(?!PARALLEL)\w+ = .*$", classes, re.M)
        name = hashlib.sha256("\n".join([level, *switches]).encode()).hexdigest()[:16]
        ready = shared / f"{HEADER}.gch" / name
        if ready.is_file():
            return
        ready.parent.mkdir(exist_ok=True)
        (shared / HEADER).write_text(HEADER_TEXT)
        (scratch / "header.mk").write_text(
            "include Vtop.mk\n"
            "header.gch:\n"
            f"\t$(CXX) {level} $(CXXFLAGS) $(CPPFLAGS) -x c++-header {shared / HEADER} -o $@\n"
        )
        yield (
            [*("header.mk" if word == "Vtop.mk" else word for word in make), "header.gch"],
            verilator_env(),
        )
        part = ready.parent.with_name(f".{name}")  # g++ must not see half of it
        shutil.move(scratch / "header.gch", part)
        part.rename(ready)

    @contextlib.contextmanager
    def _library(self, plan: dict[str, Any], scratch: Path) -> Iterator[tuple[Path, list[str]]]:
        """Put the objects of Verilator's own library, which all designs share, into ``scratch``.

        Yields the shared folder and the names of objects that nobody has compiled yet: made
        meanwhile, they are kept for the builds after this one. One build at a time does so, others
        wait for its objects.
        """
        switches = [self.identity(), plan["waves"], plan["extra_args"]]
        key = hashlib.sha256(json.dumps(switches).encode()).hexdigest()[:16]
        shared = BUILD_ROOT / "sim" / f"verilated-{key}"
        with exclusive(shared.with_name(f".{shared.name}.lock")):
            shared.mkdir(exist_ok=True)
            os.utime(shared)  # in use: not to be pruned
            missing = []
            for name in _library_objects(scratch / "Vtop_classes.mk"):
                if (shared / name).is_file():
                    shutil.copy(shared / name, scratch)  # newer than Vtop.mk: make keeps it
                else:
                    missing.append(name)
            yield shared, missing
            for name in missing:
                shutil.copy(scratch / name, shared / f".{name}")
                (shared / f".{name}").rename(shared / name)

    def keep_only_results(self, scratch: Path) -> None:
        remove_all_but(scratch, {self.executable_name, "build.log"})


class IcarusRecipe:
    """Icarus Verilog with cocotb's VPI library."""

    executable_name = "simulation.vvp"

    def wave_suffix(self) -> str:
        """vvp writes FST by itself."""
        return ".fst"

    def identity(self) -> str:
        return tool_version(("iverilog", "-V"))

    def extra_inputs(self, plan: dict[str, Any]) -> list[Path]:
        return []

    def commands(
        self, plan: dict[str, Any], sources: list[Path], dirs: list[Path], scratch: Path
    ) -> Generator[tuple[list[str], dict[str, str]], None, None]:
        top = plan["top"]
        switches = scratch / "switches.f"
        switches.write_text(f"+timescale+{TIMESCALE}\n")
        dump: list[str] = []
        if plan["waves"]:
            wave_top = scratch / "wave_dump.v"
            steps = any(source.name == "trace_monitor.sv" for source in sources)
            wave_top.write_text(_wave_dump(top, f"{top}.u_trace.step_q" if steps else None))
            dump = ["-s", "wave_dump", str(wave_top)]
        yield (
            [
                *("iverilog", "-g2012", "-o", str(scratch / self.executable_name), "-s", top),
                *(f"-P{top}.{name}={value}" for name, value in plan["parameters"].items()),
                *(f"-D{name}={value}" for name, value in plan["defines"].items()),
                *(f"-I{folder}" for folder in dirs),
                *("-f", str(switches)),
                *plan["extra_args"],
                *dump,
                *map(str, sources),
            ],
            tool_env(),
        )

    def keep_only_results(self, scratch: Path) -> None:
        remove_all_but(scratch, {self.executable_name, "build.log"})


def _wave_dump(top: str, counter: str | None) -> str:
    """Verilog that dumps ``top`` inside the window that plusargs ask for; see wave_main.cpp.

    ``counter``: the signal that counts finished steps, None in a bench that has none.
    """
    return f"""module wave_dump;
  reg [8*1024-1:0] file, cut_file;
  integer handle;
  reg [63:0] from, to, first, last, most;
  reg over;
  initial if ($value$plusargs("WAVES=%s", file)) begin
    if (!$value$plusargs("WAVES_FROM_NS=%d", from)) from = 0;
    if (!$value$plusargs("WAVES_TO_NS=%d", to)) to = 0;
    if (!$value$plusargs("WAVES_FROM_STEP=%d", first)) first = 0;
    if (!$value$plusargs("WAVES_TO_STEP=%d", last)) last = first;
    if (!$value$plusargs("WAVES_MOST_NS=%d", most)) most = 0;
    over = 0;
    if (from != 0) #(from);
    if (first != 0) wait ({counter or "1"} >= first);
    $dumpfile(file);
    $dumpvars(0, {top});
    fork
      if (to > from) begin #(to - from) $dumpoff; end
      if ($test$plusargs("WAVES_TO_STEP=")) begin
        wait ({counter or "0"} > last);
        #50 if (!over) $dumpoff;
        over = 1;
      end
      if (most != 0) begin
        #(most) if (!over) begin
          $dumpoff;
          if ($value$plusargs("WAVES_CUT_FILE=%s", cut_file)) begin
            handle = $fopen(cut_file, "w");
            $fdisplay(handle, "%0d", most);
            $fclose(handle);
          end
        end
        over = 1;
      end
    join
  end
endmodule
"""


def _library_objects(makefile: Path) -> list[str]:
    """Which objects of Verilator's library a design needs, from its ``Vtop_classes.mk``."""
    found = re.findall(r"^VM_GLOBAL_\w+ \+= \\\n((?:  \w+ \\\n)*)", makefile.read_text(), re.M)
    return [f"{word}.o" for block in found for word in block.replace("\\", "").split()]


def is_rtl(source: Path) -> bool:
    return source.absolute().parent == RTL_FILELIST.parent

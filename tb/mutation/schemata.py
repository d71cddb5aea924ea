# SPDX-License-Identifier: Apache-2.0
"""All mutants of a file in one text, of which the simulation works with at most one.

Each changed expression becomes ``(mutation_pkg::chosen == N ? changed : original)`` and each
statement that may be left out ``begin if (mutation_pkg::chosen != N) ... end``. ``chosen`` is
+MUTANT=N of the simulation's command line or, without it, the number in the file ``mutant.txt`` of
the folder in which it runs; 0, or neither of them, is the original.
"""

from __future__ import annotations

from collections.abc import Iterable

from tb.mutation.mutant import Mutant

PACKAGE = "mutation_pkg.sv"
NUMBER_FILE = "mutant.txt"
PACKAGE_TEXT = """\
// Which mutant this run works with: +MUTANT=N or the number in mutant.txt; 0 for the original.
package mutation_pkg;
  function automatic int wanted();
    int number, file;
    number = 0;
    if (!$value$plusargs("MUTANT=%d", number)) begin
      file = $fopen("mutant.txt", "r");
      if (file != 0) begin
        if ($fscanf(file, "%d", number) != 1) $fatal(1, "mutant.txt: no number");
        $fclose(file);
      end
    end
    return number;
  endfunction
  int chosen = wanted();
endpackage
"""


def mutated_text(text: str, mutants: Iterable[Mutant]) -> str:
    """``text`` of a file with all ``mutants`` of it planted."""
    at: dict[tuple[int, int], list[Mutant]] = {}
    for mutant in mutants:
        at.setdefault((mutant.edit.start, mutant.edit.end), []).append(mutant)
    # outer places before inner ones
    places = sorted(at, key=lambda place: (place[0], -place[1]))

    def render(start: int, end: int, inside: list[tuple[int, int]]) -> str:
        out, position = [], start
        while inside:
            place, *inside = inside
            count = sum(1 for other in inside if other[0] < place[1])
            below, inside = inside[:count], inside[count:]
            out.append(text[position : place[0]])
            out.append(_choice(at[place], render(*place, below)))
            position = place[1]
        return "".join([*out, text[position:end]])

    return render(0, len(text), places)


def _choice(mutants: list[Mutant], original: str) -> str:
    held = [m for m in mutants if m.edit.held]
    changed = [m for m in mutants if not m.edit.held]
    text = original
    if changed:
        arms = [f"mutation_pkg::chosen == {m.number} ? {m.edit.text} : " for m in changed]
        text = f"({''.join(arms)}{text})"
    for mutant in held:
        text = f"begin if (mutation_pkg::chosen != {mutant.number}) {text} end"
    return text

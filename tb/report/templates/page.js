"use strict";
// The page is complete without this; it adds copying, filtering, and what a cell stands for.

for (const button of document.querySelectorAll(".copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}

const intents = [...document.querySelectorAll(".intent")];
for (const tools of document.querySelectorAll(".tools")) {
  tools.hidden = false;
  tools.querySelector("[data-only]").addEventListener("change", (event) => {
    for (const intent of intents) {
      intent.hidden = event.target.checked && intent.dataset.status === "holds";
    }
  });
  tools.querySelector("[data-unfold]").addEventListener("click", (event) => {
    const open = event.target.textContent === "Unfold all";
    for (const intent of intents) intent.open = open;
    event.target.textContent = open ? "Fold all" : "Unfold all";
  });
}

// A cell under the pointer or finger says its labels, hits and reason in the line below its map.
function told(cell) {
  let labels;
  if (cell.tagName === "LI") {
    labels = [cell.querySelector("span").textContent];
  } else {
    const head = cell.closest("table").tHead.rows[0].cells[cell.cellIndex];
    labels = [cell.parentElement.cells[0].textContent, head.innerText.replaceAll("\n", " · ")];
  }
  const text = cell.tagName === "LI" ? cell.querySelector("b").textContent : cell.textContent;
  const kind = cell.className[0];
  const said = kind === "a" ? "no such bin" : cell.title || (kind === "m" ? "missed" : `${text} hits`);
  return `${labels.join(" × ")}: ${said}`;
}
for (const heat of document.querySelectorAll("[data-group]")) {
  const line = heat.querySelector(".told");
  for (const kind of ["click", "mouseover"]) {
    heat.addEventListener(kind, (event) => {
      const cell = event.target.closest("td, .strip li");
      if (cell) line.textContent = told(cell);
    });
  }
}

// A link to something folded unfolds it.
function unfold() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") target.open = true;
}
addEventListener("hashchange", unfold);
unfold();

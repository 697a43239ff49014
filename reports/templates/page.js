"use strict";
// The page works without this script; it adds copying, filters, counts beside the pointer, and opens what a link leads
// into. Texts are only ever set as text.
const said = document.getElementById("said");
const every = (selector, root = document) => [...root.querySelectorAll(selector)];

async function copied(text, block) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A page opened from a file may have no clipboard: select the text, so that a key press copies it.
    getSelection().selectAllChildren(block);
    return document.execCommand("copy");
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy button");
  if (!button) return;
  const block = button.parentElement.querySelector("pre");
  const done = await copied(block.textContent, block);
  button.textContent = done ? "Copied" : "Selected";
  said.textContent = done ? "The curl line was copied." : "The curl line is selected.";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});

function openTarget() {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = id && document.getElementById(id);
  if (!target) return;
  if (target.closest("[hidden]")) showAll();
  for (let part = target; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
  target.scrollIntoView();
}

// --- the matrix: counts at the pointer and the focus, arrow keys from cell to cell ---------------------------------

const tip = document.getElementById("tip");
const matrix = document.querySelector(".matrix tbody");

function showTip(link) {
  tip.textContent = link.getAttribute("aria-label");
  tip.hidden = false;
  const place = link.getBoundingClientRect();
  const left = Math.min(place.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${place.top > tip.offsetHeight + 12 ? place.top - tip.offsetHeight - 6 : place.bottom + 6}px`;
}

function step(link, rows, columns) {
  const shown = every("tr:not([hidden])", matrix);
  let row = shown.indexOf(link.closest("tr"));
  let column = link.closest("td, th").cellIndex;
  for (;;) {
    row += rows;
    column += columns;
    const cell = shown[row]?.cells[column];
    if (!cell) return;
    const next = !cell.hidden && cell.querySelector("a");
    if (next) {
      link.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      return;
    }
  }
}

if (matrix) {
  const links = every("a", matrix);
  links.slice(1).forEach((link) => { link.tabIndex = -1; });
  const shows = (event) => {
    const link = event.target.closest("td a");
    if (link) showTip(link);
  };
  const hides = () => { tip.hidden = true; };
  matrix.addEventListener("pointerover", shows);
  matrix.addEventListener("focusin", shows);
  matrix.addEventListener("pointerout", hides);
  matrix.addEventListener("focusout", hides);
  addEventListener("scroll", hides, { passive: true });
  matrix.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const link = event.target.closest("a");
    if (event.key === "Escape") hides();
    if (!link || !moves[event.key]) return;
    event.preventDefault();
    step(link, ...moves[event.key]);
  });
}

// --- filters --------------------------------------------------------------------------------------------------------

const bar = document.querySelector(".filters");
const texts = new WeakMap();
const textOf = (part) => {
  if (!texts.has(part)) texts.set(part, part.textContent.toLowerCase());
  return texts.get(part);
};
const field = (name) => bar.querySelector(`[data-filter="${name}"]`);

function wanted() {
  return {
    verdicts: every("input:checked", bar).map((box) => box.value),
    family: field("family").value,
    provenance: field("provenance")?.value ?? "",
    text: field("text").value.trim().toLowerCase(),
  };
}

const hasVerdict = (want, letters) => !want.verdicts.length || want.verdicts.some((each) => letters.includes(each));
const hasProvenance = (want, part) => !want.provenance || (part.dataset.p ?? "").split(" ").includes(want.provenance);
const hasText = (want, ...parts) => !want.text || parts.some((part) => part && textOf(part).includes(want.text));

function filterMatrix(want) {
  const families = every(".matrix thead th").map((head) => head.dataset.f);
  const outside = (column) => Boolean(want.family && families[column] && families[column] !== want.family);
  every(".matrix tr").forEach((row) => [...row.cells].forEach((cell) => { cell.hidden = outside(cell.cellIndex); }));
  let shown = 0;
  every("tr", matrix).forEach((row, number) => {
    const section = document.getElementById(`section-${number + 1}`);
    let some = !want.verdicts.length && !want.family;
    for (const cell of row.cells) {
      if (cell.dataset.v === undefined) continue;
      const fits = !cell.hidden && cell.dataset.v !== "" && hasVerdict(want, cell.dataset.v);
      cell.classList.toggle("dim", !fits && want.verdicts.length > 0);
      some ||= fits;
    }
    row.hidden = !(some && hasProvenance(want, row) && hasText(want, row, section));
    section.hidden = row.hidden;
    const whole = hasText(want, row);
    every("tbody tr", section).forEach((operation) => {
      const known = operation.dataset.p ? hasProvenance(want, operation) : true;
      operation.hidden = !(known && (whole || hasText(want, operation)));
    });
    shown += !row.hidden;
  });
  return shown;
}

function applyFilters() {
  const want = wanted();
  const rows = filterMatrix(want);
  let found = 0;
  every(".finding").forEach((finding) => {
    const family = !want.family || finding.dataset.f === want.family;
    const fits = hasVerdict(want, finding.dataset.v) && family && hasProvenance(want, finding) && hasText(want, finding);
    finding.hidden = !fits;
    found += fits;
  });
  every(".of-findings").forEach((part) => { part.hidden = !part.querySelector(".finding:not([hidden])"); });
  every("tr[id^='gap-']").forEach((row) => {
    const family = !want.family || row.cells[4].textContent.includes(`${want.family}-`);
    row.hidden = !(hasVerdict(want, row.dataset.v) && family && hasText(want, row));
  });
  const all = { rows: every("tr", matrix).length, found: every(".finding").length };
  field("count").textContent = `${rows} of ${all.rows} sections and ${found} of ${all.found} findings are shown.`;
}

function showAll() {
  if (!bar) return;
  every("input[type=checkbox]", bar).forEach((box) => { box.checked = false; });
  every("select, input[type=search]", bar).forEach((part) => { part.value = ""; });
  applyFilters();
}

if (bar) {
  bar.hidden = false;
  bar.addEventListener("input", applyFilters);
  field("reset").addEventListener("click", showAll);
  applyFilters();
}

addEventListener("hashchange", openTarget);
addEventListener("beforeprint", () => {
  every("details").forEach((part) => { part.open = true; });
});
openTarget();

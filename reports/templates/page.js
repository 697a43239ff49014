"use strict";
// The page works without this script; it adds copying, and opens what a link leads into.
const said = document.getElementById("said");

async function copied(text, block) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A page opened from a file may have no clipboard: select the text, so that a key press copies it.
    const selection = getSelection();
    selection.selectAllChildren(block);
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
  for (let part = target; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
  target.scrollIntoView();
}

addEventListener("hashchange", openTarget);
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((part) => { part.open = true; });
});
openTarget();

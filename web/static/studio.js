// The studio with JavaScript: what another model offers, examples and rhythms come in place; the server still renders them.

import { upgradeGrids } from "./beats.js";

const form = document.getElementById("studio");
const MAX_FILE_BYTES = 1_000_000;
let showing = null; // the request on its way, if any
let plainly = false; // without help from here, when that failed

function typed(action) {
  const body = new FormData(form);
  body.set("do", action);
  body.delete("prime_file");
  return body;
}

const said = (body) => new URLSearchParams(body).toString();

async function show(action) {
  showing?.abort();
  showing = new AbortController();
  const body = typed(action);
  const response = await fetch(form.action, { method: "POST", body, signal: showing.signal });
  if (!response.ok) throw new Error(response.statusText);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (said(typed(action)) !== said(body)) return show(action); // more was typed meanwhile, which would be lost
  replaceChoices(page.getElementById("choices"));
}

function replaceChoices(fresh) {
  const old = document.getElementById("choices");
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const file = old.querySelector("#prime-file"); // a page cannot fill a file field: the field itself moves
  if (file) fresh.querySelector("#prime-file")?.replaceWith(file);
  for (const details of old.querySelectorAll("details[id][open]")) {
    const same = fresh.querySelector(`#${details.id}`);
    if (same) same.open = true;
  }
  old.replaceWith(fresh);
  upgradeGrids(fresh);
  if (!focused) return;
  const again = focused.id ? document.getElementById(focused.id) : fresh.querySelector(`button[value="${focused.value}"]`);
  again?.focus();
  if (typeof focused.selectionStart === "number") again?.setSelectionRange(focused.selectionStart, focused.selectionEnd);
}

function refuseLargeFile(event) {
  const file = form.querySelector("#prime-file");
  const chosen = form.querySelector("#prime-format-midi")?.checked && file?.files[0];
  if (!chosen || chosen.size <= MAX_FILE_BYTES) return;
  event.preventDefault();
  const field = file.closest(".field");
  const fault = field.querySelector(".fault") ?? field.insertBefore(document.createElement("p"), file);
  fault.className = "fault";
  fault.id = "prime-file-fault";
  fault.textContent = file.dataset.tooLarge;
  field.classList.add("faulty");
  file.setAttribute("aria-invalid", "true");
  file.setAttribute("aria-describedby", "prime-file-fault prime-file-hint");
  file.focus();
}

if (form) {
  document.documentElement.classList.add("scripted");
  upgradeGrids(form);
  form.addEventListener("change", (event) => {
    if (event.target.name === "model") show("show").catch(() => {});
    if (event.target.id === "prime-file") document.getElementById("prime-format-midi").checked = true;
  });
  form.addEventListener("submit", (event) => {
    if (plainly) return;
    const action = event.submitter?.value ?? "generate";
    if (action === "generate") {
      refuseLargeFile(event);
      return;
    }
    event.preventDefault();
    show(action).catch((error) => {
      if (error.name === "AbortError") return;
      plainly = true;
      form.requestSubmit(event.submitter);
    });
  });
}
document.getElementById("faults")?.focus();

// The beat grid with JavaScript: one tab stop and arrow keys, and painting with the mouse held down.

const KEYS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

export function upgradeGrids(within) {
  for (const table of within.querySelectorAll("table[data-grid]")) upgrade(table);
}

function upgrade(table) {
  const rows = Array.from(table.tBodies[0].rows, (row) => Array.from(row.querySelectorAll("input")));
  const boxes = rows.flat();
  let painting = null; // what the mouse paints while it is down: true, false, or nothing
  let pressed = null;

  const enter = (box) => {
    for (const other of boxes) other.tabIndex = other === box ? 0 : -1;
  };
  enter(boxes[0]);
  table.addEventListener("focusin", (event) => boxes.includes(event.target) && enter(event.target));

  table.addEventListener("keydown", (event) => {
    const row = rows.findIndex((cells) => cells.includes(event.target));
    if (row < 0) return;
    const column = rows[row].indexOf(event.target);
    const [down, right] = KEYS[event.key] ?? [0, 0];
    let next = rows[row + down]?.[column + right];
    if (event.key === "Home") next = rows[row][0];
    if (event.key === "End") next = rows[row].at(-1);
    if (!(event.key in KEYS) && event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    next?.focus();
  });

  // A finger scrolls, so only mouse and pen paint.
  table.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" || event.button !== 0 || !boxes.includes(event.target)) return;
    pressed = event.target;
    painting = !pressed.checked;
    pressed.checked = painting;
  });
  table.addEventListener("pointerover", (event) => {
    if (painting !== null && boxes.includes(event.target)) event.target.checked = painting;
  });
  addEventListener("pointerup", () => {
    painting = null;
  });
  table.addEventListener("click", (event) => {
    if (event.detail > 0 && event.target === pressed) event.preventDefault(); // the press has ticked it already
    pressed = null;
  });
}

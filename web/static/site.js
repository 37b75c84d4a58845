// On every page: times in the reader's own zone, and a form that comes back with the Back button is a new form.

function tellLocalTimes() {
  for (const time of document.querySelectorAll("time[data-local]")) {
    const moment = new Date(time.dateTime);
    time.textContent = moment.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  }
}

tellLocalTimes();
addEventListener("results", tellLocalTimes);

addEventListener("pageshow", (event) => {
  const key = document.querySelector("input[name=idempotency_key]");
  if (!event.persisted || !key) return;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  key.value = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
});

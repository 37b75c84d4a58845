// A job's page with JavaScript: progress as it happens over server-sent events, or by asking when those do not come.

const POLL_MILLISECONDS = 1500;
const ENDED = ["succeeded", "failed", "cancelled", "expired"];
const job = document.getElementById("job");

function watch() {
  const status = document.getElementById("status");
  const bar = document.getElementById("progress");
  const eta = document.getElementById("eta");
  const live = document.getElementById("live");
  let ended = false;

  const say = (text) => {
    if (status.textContent.trim() !== text) status.textContent = text; // said once, not at every step
  };

  const play = () => {
    const badge = job.querySelector(".badge");
    badge.className = "badge running";
    badge.textContent = status.dataset.running;
    say(status.dataset.working);
  };

  const move = ({ step, total }) => {
    if (!total) return;
    document.getElementById("nobody")?.remove();
    bar.max = total;
    bar.value = step;
  };

  async function finish() {
    events.close(); // should the next line fail, the poll comes here again
    const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
    if (ended) return;
    ended = true;
    clearInterval(poll);
    const fresh = page.getElementById("job");
    if (!ENDED.includes(fresh?.dataset.status)) return location.reload();
    const news = fresh.querySelector("#status");
    const text = news.textContent;
    news.replaceWith(status); // the live region stays in the page, so that its new text is read out
    document.title = page.title;
    job.dataset.status = fresh.dataset.status;
    job.replaceChildren(...fresh.childNodes);
    say(text.trim());
    job.dispatchEvent(new CustomEvent("results", { bubbles: true }));
  }

  async function ask() {
    const answer = await fetch(job.dataset.job, { headers: { Accept: "application/json" } });
    if (answer.status === 404) return location.reload();
    if (!answer.ok || ended) return;
    const now = await answer.json();
    if (ENDED.includes(now.status)) return finish();
    move(now.progress);
    if (now.cancel_requested) say(status.dataset.stopping);
    else if (now.status === "running") play();
    else if (now.position) say(status.dataset.before.replace("{count}", now.position));
    else say(status.dataset.next);
    eta.textContent = now.eta_seconds === null ? "" : eta.dataset.text.replace("{seconds}", Math.max(1, Math.round(now.eta_seconds)));
  }

  const quietly = (work) => () => work().catch(() => {}); // the next tick tries again
  const events = new EventSource(job.dataset.events);
  for (const name of ["queued", "started"]) events.addEventListener(name, quietly(ask));
  for (const name of ["done", "failed", "cancelled", "expired"]) events.addEventListener(name, quietly(finish));
  events.addEventListener("progress", (event) => {
    play();
    move(JSON.parse(event.data));
  });
  events.addEventListener("reset", () => live?.replaceChildren());
  events.addEventListener("token", (event) => {
    const { variation, text } = JSON.parse(event.data);
    if (!live || variation !== 1 || !text) return;
    live.hidden = false;
    live.append(live.textContent ? text : text.trimStart());
  });
  const poll = setInterval(quietly(ask), POLL_MILLISECONDS);

  document.getElementById("cancel").closest("form").addEventListener("submit", (event) => {
    event.preventDefault();
    document.getElementById("cancel").disabled = true;
    say(status.dataset.stopping);
    fetch(event.target.action, { method: "POST", body: new FormData(event.target) }).then(quietly(ask), () => event.target.submit());
  });
}

if (job && !ENDED.includes(job.dataset.status)) watch();

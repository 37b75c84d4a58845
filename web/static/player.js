// Plays a result with plain Web Audio: oscillators for notes, shaped noise for drums, no samples.

const AHEAD_SECONDS = 0.4;
const LEAD_SECONDS = 0.08;
const TICK_MILLISECONDS = 100;
const still = matchMedia("(prefers-reduced-motion: reduce)");

let audio = null; // made at the first click, as browsers demand
let noise = null;
let playing = null;
let wanted = null; // the button pressed last: its notes may still be on their way

function open() {
  if (audio) return;
  audio = new AudioContext();
  noise = audio.createBuffer(1, audio.sampleRate, audio.sampleRate);
  const samples = noise.getChannelData(0);
  for (let i = 0; i < samples.length; i += 1) samples[i] = Math.random() * 2 - 1;
}

/** A gain that is struck at `start` and has died away `seconds` later. */
function envelope(out, start, level, attack, seconds) {
  const gain = audio.createGain();
  gain.gain.setValueAtTime(0.0001, start);
  gain.gain.exponentialRampToValueAtTime(Math.max(level, 0.0002), start + attack);
  gain.gain.exponentialRampToValueAtTime(0.0001, start + attack + seconds);
  gain.connect(out);
  return gain;
}

function tone(out, start, frequency, level, seconds, type = "triangle", falls = 1) {
  const oscillator = audio.createOscillator();
  oscillator.type = type;
  oscillator.frequency.setValueAtTime(frequency, start);
  if (falls !== 1) oscillator.frequency.exponentialRampToValueAtTime(frequency * falls, start + seconds / 2);
  oscillator.connect(envelope(out, start, level, 0.006, seconds));
  oscillator.start(start);
  oscillator.stop(start + seconds + 0.05);
}

function hiss(out, start, from, level, seconds) {
  const source = audio.createBufferSource();
  const filter = audio.createBiquadFilter();
  source.buffer = noise;
  source.loop = true;
  filter.type = "highpass";
  filter.frequency.value = from;
  source.connect(filter).connect(envelope(out, start, level, 0.002, seconds));
  source.start(start, Math.random() * 0.5);
  source.stop(start + seconds + 0.05);
}

const TOMS = { 41: 80, 43: 90, 45: 120, 47: 140, 48: 170, 50: 200 };
const CYMBALS = { 49: [4000, 0.9], 57: [4000, 0.9], 51: [6500, 0.4], 59: [6500, 0.4], 46: [7000, 0.3] };

function drum(out, start, pitch, level) {
  if (pitch === 35 || pitch === 36) return tone(out, start, 130, level * 1.6, 0.22, "sine", 0.35);
  if (pitch in TOMS) return tone(out, start, TOMS[pitch], level * 1.2, 0.28, "sine", 0.6);
  if (pitch in CYMBALS) return hiss(out, start, CYMBALS[pitch][0], level * 0.5, CYMBALS[pitch][1]);
  if (pitch >= 37 && pitch <= 40) {
    tone(out, start, 190, level * 0.6, 0.1, "triangle", 0.7);
    return hiss(out, start, 1800, level * 0.8, 0.14);
  }
  return hiss(out, start, 8000, level * 0.5, 0.05);
}

function note(out, [start, duration, pitch, velocity, percussion], at) {
  const level = 0.3 * (velocity / 127) ** 1.5;
  if (percussion) return drum(out, at + start, pitch, level);
  const frequency = 440 * 2 ** ((pitch - 69) / 12);
  tone(out, at + start, frequency, level, duration + 0.25);
  return tone(out, at + start, frequency * 2, level * 0.25, Math.min(duration, 0.5) + 0.1, "sine");
}

/** Where the playhead stands, 0 to 1, from [seconds, fraction] pairs. */
function place(clock, seconds) {
  const next = clock.findIndex(([at]) => at > seconds);
  if (next < 1) return next === 0 ? 0 : 1;
  const [[from, low], [to, high]] = [clock[next - 1], clock[next]];
  return low + ((high - low) * (seconds - from)) / (to - from);
}

function stop() {
  if (!playing) return;
  clearInterval(playing.timer);
  playing.out.gain.setTargetAtTime(0, audio.currentTime, 0.02);
  const { out, button, head } = playing;
  setTimeout(() => out.disconnect(), 200);
  button.textContent = playing.label;
  button.classList.remove("playing");
  head.hidden = true;
  playing = null;
}

async function play(button) {
  stop();
  open();
  wanted = button;
  await audio.resume();
  const piece = await (await fetch(button.dataset.play)).json();
  if (wanted !== button || playing) return;
  const out = audio.createGain();
  const limiter = audio.createDynamicsCompressor();
  out.connect(limiter).connect(audio.destination);
  const head = button.closest(".variation").querySelector(".playhead");
  const run = { button, out, head, label: button.textContent, at: audio.currentTime + LEAD_SECONDS, next: 0 };
  playing = run;
  button.textContent = button.dataset.stop;
  button.classList.add("playing");
  head.hidden = false;

  const schedule = () => {
    const now = audio.currentTime - run.at;
    while (run.next < piece.notes.length && piece.notes[run.next][0] < now + AHEAD_SECONDS) {
      note(out, piece.notes[run.next], run.at);
      run.next += 1;
    }
    if (now > piece.seconds + 0.5) stop();
  };
  const draw = () => {
    if (playing !== run) return;
    let fraction = place(piece.clock, Math.max(0, audio.currentTime - run.at));
    if (still.matches) fraction = Math.floor(fraction * 8) / 8; // a few steps, no glide
    head.style.setProperty("--at", fraction);
    requestAnimationFrame(draw);
  };
  schedule();
  run.timer = setInterval(schedule, TICK_MILLISECONDS);
  draw();
}

function reveal() {
  for (const button of document.querySelectorAll("button[data-play]")) button.hidden = !("AudioContext" in window);
}

reveal();
addEventListener("results", reveal);
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-play]");
  if (!button) return;
  if (playing?.button === button) stop();
  else play(button).catch(stop);
});

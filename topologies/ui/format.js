// Numbers, times and states as people read them. Pure functions.

export const NONE = "–";

/** 950, 12.5 k, 3.1 M. */
export function count(n) {
  if (n == null || !isFinite(n)) return NONE;
  const a = Math.abs(n);
  if (a < 10 && n % 1) return n.toFixed(1);
  if (a < 10000) return Math.round(n).toLocaleString("en");
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (a >= size) return `${(n / size).toFixed(a / size < 10 ? 2 : a / size < 100 ? 1 : 0)} ${unit}`;
  }
  return String(n);
}

/** All digits: 12,400. */
export const whole = (n) => (n == null ? NONE : Math.round(n).toLocaleString("en"));

export const perSecond = (n) => (n == null ? NONE : `${count(n)}/s`);

/** Seconds: 850 µs, 21 ms, 1.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h. */
export function duration(s) {
  if (s == null || !isFinite(s)) return NONE;
  if (s === 0) return "0 s";
  if (s < 0.001) return `${Math.max(1, Math.round(s * 1e6))} µs`;
  if (s < 1) return `${s < 0.01 ? (s * 1e3).toFixed(1) : Math.round(s * 1e3)} ms`;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  const t = Math.round(s);
  const two = (a, x, b, y) =>
    b ? `${a} ${x} ${b} ${y}` : `${a} ${x}`;
  if (t < 3600) return two(Math.floor(t / 60), "min", t % 60, "s");
  if (t < 86400) return two(Math.floor(t / 3600), "h", Math.floor((t % 3600) / 60), "min");
  return two(Math.floor(t / 86400), "d", Math.floor((t % 86400) / 3600), "h");
}

export function bytes(n) {
  if (n == null) return NONE;
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) (n /= 1024), i++;
  return `${i && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

/** Three digits that count: 0.00412, 12.5. */
export const figure = (n) => (n == null || !isFinite(n) ? NONE : String(+n.toPrecision(3)));

/** A share with its small parts: 0.25 %, 99.98 %. */
export const part = (share) => (share == null ? NONE : `${+(share * 100).toFixed(2)} %`);

export const percent = (share) => (share == null ? NONE : `${Math.round(share * 100)} %`);

/** The time of day, with the date where it is not today's. */
export function clock(time) {
  if (!time) return NONE;
  const at = new Date(time);
  if (isNaN(+at)) return time;
  const pad = (n) => String(n).padStart(2, "0");
  const hours = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  if (at.toDateString() === new Date().toDateString()) return hours;
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${hours}`;
}

/** How long before `now`: "2.1 s ago". */
export function ago(time, now) {
  if (!time) return NONE;
  const seconds = (+new Date(now || Date.now()) - +new Date(time)) / 1000;
  return seconds < 1 ? "now" : `${duration(Math.round(seconds))} ago`;
}

/** A value of a record; `indent` as that of JSON. */
export const valueText = (value, indent = 0) => (typeof value === "string" ? value : JSON.stringify(value, null, indent));

export const plural = (n, noun) => `${whole(n)} ${noun}${n === 1 ? "" : "s"}`;

/** Every state has a glyph, a word and a colour: [glyph, word, colour class]. */
const STATES = {
  starting: ["◔", "starting", "info"], running: ["▶", "running", "ok"], draining: ["▽", "draining", "warn"],
  failed: ["✖", "failed", "bad"], stopped: ["■", "stopped", "quiet"], idle: ["○", "idle", "quiet"],
  busy: ["◆", "busy", "info"], waiting: ["◷", "waiting", "warn"], retrying: ["↻", "retrying", "warn"],
  skipped: ["⊘", "skipped", "quiet"], done: ["✔", "done", "ok"], reused: ["↷", "reused", "info"],
  run: ["▶", "runs", "warn"], refused: ["✖", "refused", "bad"], unaffected: ["·", "unaffected", "quiet"],
  held: ["‖", "held", "warn"], awaits_person: ["◷", "waits for a person", "warn"],
  breached: ["✖", "breached", "bad"], open: ["○", "open", "info"], passed: ["✔", "passed", "ok"],
};
export function stateOf(name) {
  return STATES[name] || ["?", name || "unknown", "quiet"];
}

/** Whether the verdict asks for something: [glyph, colour class]. */
export function verdictMark(kind) {
  if (kind === "keeping_up") return ["✔", "ok"];
  if (kind === "idle" || kind === "starting") return ["○", "quiet"];
  return ["▲", "warn"];
}

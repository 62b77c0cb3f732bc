// Runs × stages. One answer holds all; a click asks for the details of one run only. The cells of a state are one path,
// so that 200 runs of 50 stages are a dozen elements.
import { html, live, Component, computed, signal } from "./live.js";
import { api, lostSince, snapshot, topology } from "./store.js";
import { go, item } from "./route.js";
import { Load } from "./load.js";
import { State, Table } from "./parts.js";
import { clock, count, duration, whole } from "./format.js";

const CELL = 16, BAR = 74;
/** Shape and colour of a cell: its path from its corner, and the words. */
const KINDS = ({
  o: { word: "ok", shape: "M2 2h12v12h-12z" },
  f: { word: "failed", shape: "M1 1h14v14h-14z", mark: "M4.5 4.5l7 7M11.5 4.5l-7 7" },
  r: { word: "reused", shape: "M8 2.5a5.5 5.5 0 1 0 .01 0z" },
  c: { word: "recomputed", shape: "M8 1.5l6.5 6.5-6.5 6.5-6.5-6.5z" },
  d: { word: "dead letters", shape: "M2 2h12v12h-12z", mark: "M4 5l4 4 4-4" },
  s: { word: "skipped", shape: "M3 7h10v2h-10z" },
  ".": { word: "no rows", shape: "M7 7h2v2h-2z" },
});
const shift = (path, x, y) =>
  path.replace(/M([\d.]+) ([\d.]+)/g, (_, a, b) => `M${+a + x} ${+b + y}`);

/** One path per state over all cells. */
function pathsOf(runs, stages) {
  const found = {};
  runs.forEach((run, column) => {
    for (let row = 0; row < stages; ++row) {
      const kind = KINDS[run.cells[row]] ? run.cells[row] : ".";
      const into = (found[kind] ||= { shape: [], mark: [] });
      into.shape.push(shift(KINDS[kind].shape, column * CELL, row * CELL));
      if (KINDS[kind].mark) into.mark.push(shift((KINDS[kind].mark), column * CELL, row * CELL));
    }
  });
  return Object.entries(found).map(([kind, { shape, mark }]) => ({ kind, shape: shape.join(""), mark: mark.join("") }));
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] || 0;
const cursor = signal("");

/** The cells of one state. */
const Cells = ({ kind, shape, mark }) => html`<path class=${`cell cell-${kind === "." ? "none" : kind}`} d=${shape} />
  ${mark ? html`<path class="mark" d=${mark} />` : null}`;

/** Names of the stages, below the axis of the bars. */
const Names = ({ stages, longest, middle, up }) => html`<div class="grid-names" aria-hidden="true">
  <div class="grid-axis" style=${{ height: `${BAR}px`, minWidth: "130px" }}>
    ${middle < 0.8 * longest ? html`<span style=${{ bottom: up(longest) }}>longest ${duration(longest)}</span>` : null}
    <span style=${{ bottom: up(middle) }}>median ${duration(middle)}</span></div>
  <ul>${stages.map((id) => html`<li>${id}</li>`)}</ul></div>`;

const labelOf = (run) =>
  `Run ${run.id}, ${run.state}, ${clock(run.started)}, ${duration(run.seconds)}${run.stage ? `, failed at ${run.stage}` : ""}`;

/** A button of the grid: its height is how long the run took. */
const Bar = ({ run, at, last, height }) => html`<button type="button" class=${`bar bar-${run.state}`} tabindex=${last ? 0 : -1}
  title=${`${clock(run.started)}, ${duration(run.seconds)}`} aria-label=${labelOf(run)}
  style=${{ left: `${at * CELL + 2}px`, height: `${Math.max(4, height)}px` }}
  onFocus=${() => (cursor.value = run.id)} onClick=${() => go({ page: "runs", item: run.id })}></button>`;

/** Keys of the bars. */
function onBarKey(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1, Home: -1e6, End: 1e6 }[event.key];
  if (!step) return;
  event.preventDefault();
  const bars = [...event.currentTarget.querySelectorAll("button")];
  bars[Math.max(0, Math.min(bars.length - 1, bars.indexOf(document.activeElement) + step))].focus();
}

class Grid extends Component {
  shouldComponentUpdate(next) { return next.data !== this.props.data; }
  /** It begins at the newest run. */
  toEnd = (element) => {
    if (!element || element.dataset.placed) return;
    element.dataset.placed = "1";
    element.scrollLeft = element.scrollWidth;
  };
  render() {
    const { stages } = this.props.data;
    const runs = [...this.props.data.runs].reverse();  // time goes to the right
    // A run that goes on may be far longer than all others: its bar ends where the longest of them does.
    const ended = runs.filter((run) => !run.live);
    const lengths = (ended.length ? ended : runs).map((run) => run.seconds);
    const longest = Math.max(...lengths, 1e-9), middle = median(lengths);
    const width = runs.length * CELL;
    const heightOf = (seconds) => Math.min(1, seconds / longest) * (BAR - 6);
    const up = (seconds) => `${heightOf(seconds)}px`;
    const onClick = (event) => {
      const run = runs[Math.floor(event.offsetX / CELL)];
      if (run) go({ page: "runs", item: run.id });
    };
    return html`<div class="grid-frame"><${Names} stages=${stages} longest=${longest} middle=${middle} up=${up} />
      <div class="grid-scroll" ref=${this.toEnd}>
        <div class="grid-bars" style=${{ width: `${width}px`, height: `${BAR}px` }} role="group"
          aria-label="Runs, the newest is the last. Arrow keys move, Enter opens." onKeyDown=${onBarKey}>
          ${runs.map((run, i) => html`<${Bar} key=${run.id} run=${run} at=${i} last=${i === runs.length - 1} height=${heightOf(run.seconds)} />`)}
          <div class="median" style=${{ bottom: up(middle), width: `${width}px` }}></div></div>
        <svg class="cells" width=${width} height=${stages.length * CELL} aria-hidden="true" onClick=${onClick}>
          ${pathsOf(runs, stages.length).map((cells) => html`<${Cells} ...${cells} />`)}</svg></div></div>`;
  }
}

const Legend = () => html`<ul class="legend-row" aria-label="Meaning of the cells">
  ${Object.entries(KINDS).map(([kind, { word, shape, mark }]) => html`<li>
    <svg viewBox="0 0 16 16" aria-hidden="true"><${Cells} kind=${kind} shape=${shape} mark=${mark} /></svg> ${word}</li>`)}</ul>`;

/** What is known of a run without asking: one sentence. */
const sentence = (run) => html`<${State} state=${run.state} /> ${clock(run.started)}, ${duration(run.seconds)}${run.live ? " so far"
    : ""}, ${whole(run.records)} records${run.live ? " read" : ""}${run.stage ? html`, stopped at <b>${run.stage}</b>: ${run.cause}` : ""}`;

/** @param {{run: any, stages: string[]}} props */
function Details({ run, stages }) {
  const link = (id) => (id && id !== run.id ? html`<a href=${`#/runs/${encodeURIComponent(id)}`}>${id}</a>` : "none");
  const view = (full) => html`
    <${Table} caption="Stages" head=${["stage", "state", "in", "out", "failed", "dead letters", "time"]} numeric=${[2, 3, 4, 5, 6]}
      rows=${stages.map((id, i) => { const n = full.stages?.[id]
            || {}; return [id, KINDS[run.cells[i]]?.word || "", whole(n.rows_in), whole(n.rows_out), whole(n.failed),
              whole(n.dead_lettered), duration(n.seconds)]; })} />
    <${Table} caption="Positions" head=${["source", "partition", "next position"]} numeric=${[2]}
      rows=${Object.entries(full.positions
          || {}).flatMap(([source, parts]) => Object.entries(parts).map(([part, next]) => [source, part, whole(next)]))}
            empty="No positions are kept for it." />
    <${Slots} slots=${full.minutes || []} />`;
  return html`<section class="card" aria-label=${`Run ${run.id}`}><div class="title"><h2>Run ${run.id}</h2><span class="spacer"></span>
    <button type="button" onClick=${() => go({ page: "runs" })}>Close</button></div>
    <p>${sentence(run)}</p><p>Restarts ${link(run.parent)}; began with ${link(run.root)}. Version ${run.version}, topology <code>
      ${run.hash}</code>.</p>
    <${Load} key=${run.id} load=${() => api(`runs/${encodeURIComponent(run.id)}`)} view=${view} /></section>`;
}

/** A long run by quarters of an hour; a stretch without records is one line. @param {{slots: any[]}} props */
function Slots({ slots }) {
  const rows = [];
  let idle = 0;
  const flush = () => { if (idle) rows.push([html`<i>idle</i>`, `${idle} × 15 min`, "", ""]); idle = 0; };
  for (const slot of slots) {
    if (!slot.rows && !slot.failed) { ++idle; continue; }
    flush();
    rows.push([clock(slot.from), "15 min", whole(slot.rows), whole(slot.failed)]);
  }
  flush();
  return html`<${Table} caption="Quarters of an hour" head=${["from", "length", "records", "failed"]} numeric=${[2, 3]} rows=${rows}
      empty="It has no full quarter of an hour." />`;
}

const Chosen = live(({ data }) => {
  const run = data.runs.find((each) => each.id === (item.value || cursor.value));
  if (!run) return html`<p class="hint">${item.value ? `There is no run ${item.value} among these.` : "Choose a run."}</p>`;
  return item.value ? html`<${Details} run=${run} stages=${data.stages} />` : html`<p class="hint">${run.id}: ${sentence(run)}</p>`;
});

export const RunsView = ({ data }) => data.runs.length === 0
    ? html`<section class="card"><h2>Runs</h2><p class="hint">The history has no run yet.</p></section>` : html`
  <section class="card"><div class="title"><h2>Runs</h2><small>${count(data.runs.length)} of ${whole(data.total)}</small>
    <span class="spacer"></span><${Legend} /></div>
    <${Grid} data=${data} />
    <details><summary>As a table</summary>
      <${Table} caption="Runs" head=${["run", "state", "started", "length", "records", "stopped at"]} numeric=${[4]}
      rows=${data.runs.map((r) => [html`<a href=${`#/runs/${encodeURIComponent(r.id)}`}>${r.id}</a>`, html`<${State} state=${r.state} />`,
            clock(r.started), duration(r.seconds), whole(r.records), r.stage || ""])} /></details></section>
  <${Chosen} data=${data} />`;

/** The history has a run that goes on as it was at its last full minute: its length, count and cells are those of now. */
function withLive(data) {
  const [run, ...others] = data.runs, now = snapshot.value;
  const live = run && !run.ended && run.state === "running" && !lostSince.value && /^(starting|running|draining)$/.test(now?.state);
  if (!live) return data;
  const of = (id) => now.stages?.[id] || {};
  const sources = (topology.value?.stages || []).filter((stage) => stage.kind === "source");
  const cell = (id, known) => (of(id).dead_lettered ? "d" : known === "." && of(id).rows_in ? "o" : known);
  return { ...data, runs: [{
    ...run, live, seconds: (+new Date(now.now) - +new Date(run.started)) / 1000,
    records: sources.reduce((total, { id }) => total + (of(id).rows_in || 0), 0),
    cells: data.stages.map((id, i) => cell(id, run.cells[i])).join(""),
  }, ...others] };
}

const isKnown = computed(() => Boolean(snapshot.value));
export const Runs = () => html`<${Load} key=${isKnown.value} load=${async () => withLive(await api("runs?limit=200"))}
    view=${(data) => html`<${RunsView} data=${data} />`} every=${15} />`;

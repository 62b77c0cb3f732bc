// The graph of a topology with its live state. Its boxes are buttons in topological order; an update changes their text
// and attributes only.
import { html, live, Component, createRef, classes, signal, computed } from "./live.js";
import { snapshot, topology } from "./store.js";
import { shape, layout, opened, BOX } from "./shape.js";
import { selected, go } from "./route.js";
import { Glyph, KindIcon } from "./parts.js";
import { count, perSecond, duration, percent, stateOf } from "./format.js";

/** What the search asks for. */
const search = signal("");
/** The box that Tab reaches; arrows move it. */
const current = signal("");
/** null: fits as long as it can be read; 0: fits whatever its size. */
const zoom = signal(null);

/** The share of the lanes' time that waits for each target, source or node. */
const waits = computed(() => {
  const by = {};
  const lanes = snapshot.value?.lanes || [];
  for (const lane of lanes) {
    for (const { state, by: whom, share } of lane.shares) {
      if (/^(blocked|committing|paused)$/.test(state)) by[whom] = (by[whom] || 0) + share / lanes.length;
    }
  }
  return by;
});

/** The numbers of a box: those of its stage, or the sums of its group. */
function numbersOf(ids) {
  const stages = snapshot.value?.stages || {};
  const all = ids.map((id) => stages[id]).filter(Boolean);
  const sum = (name) => all.reduce((total, stage) => total + (stage[name] || 0), 0);
  const most = (of) => all.reduce((top, stage) => Math.max(top, of(stage) || 0), 0);
  const worst = ["failed", "retrying", "waiting", "busy", "running", "skipped"].find((name) => all.some((s) => s.state === name));
  const level = ["HIGH", "LOW"].find((name) => all.some((s) => s.level === name)) || "OK";
  return { state: worst || "idle", rate: sum("rate"), failed: sum("failed"), letters: sum("dead_lettered"), level,
           busy: Math.min(1, sum("busy")), p99: all.length ? most((s) => s.batch_seconds?.p99) || null : null };
}

/** What a restart does with a box: the mark of its stage, or the worst of its group. */
function markOf(plan, ids) {
  return ["refused", "run", "reused"].find((mark) => ids.some((id) => plan[id] === mark)) || "unaffected";
}

const RING = 2 * Math.PI * 9;

/** @param {{box: any, at: {x: number, y: number}, plan?: any}} props */
const Box = live(({ box, at, plan }) => {
  const n = numbersOf(box.stages);
  const wait = box.stages.reduce((total, id) => total + (waits.value[id] || 0), 0);
  const mark = plan ? markOf(plan, box.stages) : n.state;
  const [, word, colour] = stateOf(mark);
  const missed = search.value && !box.id.toLowerCase().includes(search.value.toLowerCase());
  const title = box.group ? `${box.name}, ${box.stages.length} stages` : box.id;
  const label = `${title}, ${box.kind}, ${word}, ${perSecond(n.rate)}, 99th percentile ${duration(n.p99)}` +
    (wait >= 0.01 ? `, lanes wait ${percent(wait)} of the time for it` : "") + (n.failed ? `, ${count(n.failed)} failed` : "");
  return html`<button type="button" data-box=${box.id} aria-label=${label}
      tabindex=${(current.value || shape.value.boxes[0]?.id) === box.id ? 0 : -1}
      class=${classes("box", `is-${colour}`, { picked: selected.value === box.id, dim: missed, culprit: wait >= 0.5,
              bold: plan && mark === "run", hatched: plan && mark === "refused", faded: plan && mark === "unaffected" })}
      style=${{ transform: `translate(${at.x}px, ${at.y}px)`, width: `${BOX.width}px`, height: `${BOX.height}px` }}
      onFocus=${() => (current.value = box.id)}
      onClick=${() => (box.group ? (opened.value = new Set([...opened.value, box.name])) : go({ node: box.id }))}>
    <span class="box-top"><${KindIcon} kind=${box.kind} /><b>${title}</b>
      <svg class="ring" viewBox="0 0 24 24" aria-hidden="true"><circle class="ring-back" cx="12" cy="12" r="9" />
        <circle class=${`ring-share level-${n.level}`} cx="12" cy="12" r="9" transform="rotate(-90 12 12)"
          stroke-dasharray=${`${(n.busy * RING).toFixed(1)} ${RING.toFixed(1)}`} /></svg></span>
    <span class="box-numbers"><span>${perSecond(n.rate)}</span><span>p99 ${duration(n.p99)}</span></span>
    <span class="box-state"><${Glyph} state=${mark} /><span>${word}</span>
      <span class="box-note">
        ${wait >= 0.01 ? `lanes wait ${percent(wait)}` : n.busy >= 0.01 ? `${percent(n.busy)} of busy` : ""}</span></span>
  </button>`;
});

/** From the right side of a box to the left side of the next, level at both; a long edge passes where the layout left room. */
function curve(places, { from, to, points }) {
  const a = places.nodes[from], b = places.nodes[to], middle = BOX.height / 2;
  const stops = [...(points.length > 3 ? points.slice(1, -1) : []), { x: b.x - 1, y: b.y + middle }];
  let at = { x: a.x + BOX.width, y: a.y + middle };
  let path = `M${at.x.toFixed(1)} ${at.y.toFixed(1)}`;
  for (const next of stops) {
    const half = (at.x + next.x) / 2;
    path += `C${half.toFixed(1)} ${at.y.toFixed(1)} ${half.toFixed(1)} ${next.y.toFixed(1)} ${next.x.toFixed(1)} ${next.y.toFixed(1)}`;
    at = next;
  }
  return path;
}

const width = (rate) => (rate > 0 ? Math.min(7, 1.4 + Math.log10(1 + rate)) : 1).toFixed(2);

/** Edges, and the red ones of failed rows to the dead letters. @param {{places: any, plan?: any}} props */
const Edges = live(({ places, plan }) => {
  const { boxes } = shape.value;
  const stagesOf = new Map(boxes.map((box) => [box.id, box.stages]));
  const sources = new Set(places.edges.map((edge) => edge.from));
  const letters = lettersAt(places);
  return html`<svg class="edges" width=${places.width} height=${places.height + letters.room} aria-hidden="true">
    <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse"
      orient="auto">
      <path d="M0 0L8 4L0 8z" class="arrow" /></marker>
      <marker id="arrow-bad" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse"
        orient="auto">
      <path d="M0 0L8 4L0 8z" class="arrow-bad" /></marker></defs>
    ${places.edges.map((edge) => {
      const { rate } = numbersOf(stagesOf.get(edge.from) || []);
      return html`<path key=${`${edge.from} ${edge.to}`} class=${classes("edge", { flows: rate > 0 && !plan })} d=${curve(places, edge)}
          stroke-width=${width(rate)} marker-end="url(#arrow)" />`;
    })}
    ${boxes.map((box) => {
      const { rate } = numbersOf(box.stages);
      const at = places.nodes[box.id], flows = sources.has(box.id) && rate > 0 && !plan;
      return html`<text key=${box.id} class="edge-rate" x=${at.x + BOX.width + 7} y=${at.y + BOX.height / 2 - 7}>
        ${flows ? perSecond(rate) : ""}</text>`;
    })}
    ${letters.room ? boxes.map((box) => {
      const at = places.nodes[box.id];
      const n = numbersOf(box.stages);
      const x = at.x + 22, y = at.y + BOX.height;
      return html`<g key=${box.id} class=${classes("edge-bad", { shown: n.letters > 0 && !plan })}>
        <path d=${`M${x} ${y}C${x} ${y + 40} ${letters.x - 60} ${letters.y + 16} ${letters.x} ${letters.y + 16}`}
          stroke-width=${width(n.letters)} marker-end="url(#arrow-bad)" />
        <text x=${x + 8} y=${y + 16}>${n.letters ? `✖ ${count(n.letters)}` : ""}</text></g>`;
    }) : null}</svg>`;
});

const lettersAt = (places) =>
  topology.value?.dead_letters ? { x: places.width - BOX.width - 16, y: places.height + 8, room: 56 } : { x: 0, y: 0, room: 0 };

const CORNER = { x: 0, y: 0 };
/** The buttons and edges at their places. The buttons are made while the worker still looks for their places. @param {{plan?: any}} props */
const Picture = live(({ plan }) => {
  const { boxes, key } = shape.value;
  const places = layout.value?.key === key ? layout.value : null;
  const letters = places ? lettersAt(places) : { ...CORNER, room: 0 };
  return html`<div class=${classes("picture", { placed: places })}
      style=${places ? { width: `${places.width}px`, height: `${places.height + letters.room}px` } : null}>
    ${places ? html`<${Edges} places=${places} plan=${plan} />` : null}
    <ol role="list">${boxes.map((box) => html`<li key=${box.id}><${Box} box=${box} at=${places?.nodes[box.id] || CORNER} plan=${plan} />
          </li>`)}</ol>
    ${letters.room ? html`<${LettersBox} at=${letters} />` : null}
  </div>`;
});

const LettersBox = live(({ at }) => {
  const { letters } = numbersOf(Object.keys(snapshot.value?.stages || {}));
  return html`<a href="#/letters" class=${classes("letters-box", { some: letters > 0 })}
      style=${{ transform: `translate(${at.x}px, ${at.y}px)`, width: `${BOX.width}px` }}>
    <span aria-hidden="true">✉</span> dead letters <b>${count(letters)}</b></a>`;
});

/** Keys of the graph: arrows follow edges, Home and End go to its ends. */
function onKey(event) {
  const { boxes, edges } = shape.value;
  const here = (event.target).closest?.("[data-box]")?.getAttribute("data-box");
  if (!here) return;
  const at = boxes.findIndex((box) => box.id === here);
  const places = layout.value?.nodes || {};
  const column = boxes.map((box) => box.id).filter((id) => Math.abs(places[id]?.x - places[here]?.x) < BOX.width / 2)
    .sort((a, b) => places[a].y - places[b].y);
  const row = column.indexOf(here);
  const next = {
    ArrowRight: edges.find(([from]) => from === here)?.[1], ArrowLeft: edges.find(([, to]) => to === here)?.[0],
    ArrowDown: column[row + 1] ?? boxes[at + 1]?.id, ArrowUp: column[row - 1] ?? boxes[at - 1]?.id,
    Home: boxes[0]?.id, End: boxes[boxes.length - 1]?.id,
  };
  if (!(event.key in next)) return;
  event.preventDefault();
  const id = next[event.key];
  if (id) focusBox(id);
}
export function focusBox(id) {
  current.value = id;
  const button = (document.querySelector(`[data-box="${CSS.escape(id)}"]`));
  button?.focus();
  button?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** The graph in its frame: it fits until the user zooms. @extends {Component<{plan?: any}>} */
export class Graph extends Component {
  frame = createRef();
  componentDidMount() {
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.frame.current);
    this.unsubscribe = [layout.subscribe(() => queueMicrotask(() => this.fit())), zoom.subscribe(() => this.fit())];
  }
  componentWillUnmount() {
    this.observer?.disconnect();
    this.unsubscribe?.forEach((stop) => stop());
  }
  /** Styles that no attribute can hold under the page's policy are set by script. */
  fit() {
    const frame = this.frame.current, places = layout.value;
    if (!frame || !places) return;
    const room = lettersAt(places).room;
    const whole = Math.min((frame.clientWidth - 4) / places.width, (Math.max(frame.clientHeight, 200) - 4) / (places.height + room));
    const scale = zoom.value || Math.max(zoom.value === 0 ? 0.2 : 0.6, Math.min(1.15, whole));
    this.scale = scale;
    frame.firstElementChild.style.transform = `scale(${scale})`;
    frame.firstElementChild.style.width = `${places.width * scale}px`;
    frame.firstElementChild.style.height = `${(places.height + room) * scale}px`;
  }
  render() {
    const step = (by) => () => (zoom.value = Math.max(0.2, Math.min(2.5, (this.scale || 1) * by)));
    return html`<section class="graph" aria-label="Graph">
      <div class="graph-tools" role="toolbar" aria-label="View of the graph">
        <label class="search">Search <kbd>/</kbd> <input id="graph-search" type="search" autocomplete="off" value=${search.value}
          onInput=${(e) => (search.value = e.target.value)} onKeyDown=${onSearchKey} /></label>
        <button type="button" onClick=${step(1.25)} aria-label="Larger">+</button>
        <button type="button" onClick=${step(0.8)} aria-label="Smaller">−</button>
        <button type="button" onClick=${() => (zoom.value = 0)}>Fit</button>
      </div>
      <div class="frame" ref=${this.frame} role="application" onKeyDown=${onKey}
        aria-label="Stages in the order of their data. Arrow keys follow edges, Enter opens a stage, Escape closes it.">
        <div class="scaled"><${Picture} plan=${this.props.plan} /></div>
      </div></section>`;
  }
}

function onSearchKey(event) {
  if (event.key === "Escape") search.value = "";
  if (event.key !== "Enter") return;
  const found = shape.value.boxes.find((box) => box.id.toLowerCase().includes(search.value.toLowerCase()));
  if (found) focusBox(found.id);
}

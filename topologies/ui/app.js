// The page: header, places, and what is wrong.
import { html, render, live, classes } from "./live.js";
import { snapshot, topology, lostSince, trouble, pipelines, pipelineId, choosePipeline, announcement, causeOf, start } from "./store.js";
import { page, selected, go, PAGES } from "./route.js";
import { Graph, focusBox } from "./graph.js";
import { Panel } from "./panel.js";
import { Runs } from "./runs.js";
import { Restart } from "./restart.js";
import { Letters } from "./letters.js";
import { Models } from "./models.js";
import { Positions } from "./positions.js";
import { Audit } from "./audit.js";
import { Command, Glyph, State, TokenForm, Trouble } from "./parts.js";
import { ago, clock, count, duration, perSecond, verdictMark, whole } from "./format.js";

const TITLES = { graph: "Graph", runs: "Runs", restart: "Restart", letters: "Dead letters", models: "Models", positions: "Positions",
  audit: "Audit" };

/** @param {{name: string, value: any, note?: any}} props */
const Tile = ({ name, value, note }) => html`<div class="tile"><dt>${name}</dt><dd><b>${value}</b> <small>${note || ""}</small></dd></div>`;

const Header = live(() => {
  const now = snapshot.value;
  const failed = now?.failure;
  const [glyph, colour] = failed ? ["✖", "bad"] : verdictMark(now?.verdict?.kind || "starting");
  return html`<header>
    <div class="title"><h1>${topology.value?.name || "Anabranch"}</h1>
      ${now ? html`<${State} state=${lostSince.value ? "stopped" : now.state} word=${lostSince.value ? "does not answer" : null} />` : null}
      <span class="spacer"></span>
      ${pipelineId.value && overFolders() ? html`<button type="button" onClick=${() => choosePipeline(null)}>All pipelines</button>` : null}
      <button type="button" onClick=${toggleTheme} aria-label="Change between dark and light">◐</button></div>
    ${now ? html`
      <p class=${`verdict is-${colour}`}><span class="glyph" aria-hidden="true">${glyph}</span> <span>
        ${failed ? `stage "${failed.stage}" stopped: nothing is read until it restarts` : now.verdict?.text}</span> <i>
          ${failed ? "" : now.verdict?.advice}</i></p>
      <dl class="tiles">
        <${Tile} name="Rate" value=${perSecond(now.rate?.read)} note=${`${perSecond(now.rate?.committed)} committed`} />
        <${Tile} name="Lag" value=${whole(now.lag?.records)}
          note=${now.lag?.seconds == null ? "records" : `records, ${duration(now.lag.seconds)}`} />
        <${Tile} name="Latency p50" value=${duration(now.latency?.p50)} note=${`p99 ${duration(now.latency?.p99)}`} />
        <${Tile} name="Last commit" value=${now.last_commit ? ago(now.last_commit, now.now) : "none yet"}
          note=${now.last_commit ? clock(now.last_commit) : ""} />
        <${Tile} name="Dead letters" value=${count(sum(now, "dead_lettered"))} note=${`${count(sum(now, "failed"))} rows failed`} />
        <${Tile} name="Up since" value=${clock(now.started)} note=${now.restarts ? `${now.restarts} restarts` : ""} />
      </dl>` : null}
    ${pipelineId.value ? html`<nav aria-label="Pages">
        ${PAGES.map((name) => html`<a href=${`#/${name}`} aria-current=${page.value === name ? "page" : null}>
              ${TITLES[name]}</a>`)}</nav>` : null}
  </header>`;
});

/** Whether the page is that of `anabranch ui`, which looks at folders, and not of one process. */
const overFolders = () => pipelines.value && pipelines.value[0]?.id !== "self";

const sum = (now, name) =>
  Object.values(now.stages || {}).reduce((total, stage) => total + (stage[name] || 0), 0);

/** What an operator must know first: the process is gone, a stage stopped, it is not ready. */
const Notices = live(() => {
  const now = snapshot.value;
  const file = topology.value?.file || "TOPOLOGY";
  if (lostSince.value) {
    return html`<div class="notice is-bad"><${Glyph} state="failed" /> <div>
      <b>The process does not answer since ${clock(new Date(lostSince.value).toISOString())}.</b>
      ${now ? " What you see is its last known state." : ""} This page looks for it every second. Start it with
      <${Command} text=${overFolders() ? `anabranch ui --http ${location.host}`
          : `anabranch ${now?.state === "failed" ? "restart" : "run"} ${file} --http ${location.host}`} /></div></div>`;
  }
  if (trouble.value?.status === 401) return html`<${TokenForm} what="This page" />`;
  if (trouble.value) return html`<${Trouble} error=${trouble.value} />`;
  if (now?.failure && page.value === "restart") return null;  // which says it all
  if (now?.failure) {
    const { stage, class: kind, at, records, cascade } = now.failure;
    return html`<div class="notice is-bad"><${Glyph} state="failed" /> <div>
      <b>Stage ${stage} stopped</b> at ${clock(at)}: ${causeOf(now.failure)} <code>${kind}</code><br />
      ${whole(records)} records wait with their results. ${cascade?.length ? `Not the cause, only behind it: ${cascade.join(", ")}.` : ""}
${" "}<a href="#/restart">See what a restart does</a></div></div>`;
  }
  if (now?.state === "stopped") {
    return html`<div class="notice is-warn"><${Glyph} state="stopped" /> <div>
      <b>No process runs this pipeline.</b> Start it with <${Command} text=${`anabranch run ${file}`} /></div></div>`;
  }
  if (now && !now.ready && now.reasons?.length) {
    return html`<div class="notice is-warn"><${Glyph} state="waiting" /> <div>
      <b>Not ready.</b> ${now.reasons.map((r) => `${r.part}: ${r.why}`).join(" ")}</div></div>`;
  }
  return null;
});

const NoPipeline = () => html`<p class="hint">No state folder is in the folders that <code>anabranch ui</code> looks at.
  A pipeline has one since its first run, at <code>.anabranch/NAME/0</code> beside its file.
  Name its folder: <code>anabranch ui DIR</code>.</p>`;

const Chooser = live(() => html`<section class="chooser"><h2>Pipelines</h2>
  ${pipelines.value.length ? null : html`<${NoPipeline} />`}
  <ul>${pipelines.value.map((each) => html`<li key=${each.id}>
    <button type="button" onClick=${() => choosePipeline(each.id)}>
      <b>${each.name}</b> <${State} state=${each.state || (each.live ? "running" : "stopped")} />
      <small>${each.dir || ""}</small></button></li>`)}</ul></section>`);

const VIEWS = { runs: live(Runs), restart: live(Restart), letters: live(Letters), models: live(Models), positions: live(Positions),
  audit: live(Audit) };

const Place = live(() => {
  const View = VIEWS[page.value];
  if (View) return html`<div class="page" key=${page.value}><${View} /></div>`;
  return html`<div class=${classes("place", { "with-panel": selected.value })} key="graph"><${Graph} />
    ${selected.value ? html`<${Panel} id=${selected.value} key=${selected.value} />` : null}</div>`;
});

const App = live(() => html`
  <a class="skip" href="#main">To the content</a>
  <${Header} />
  <p class="sr" aria-live="assertive" id="announcer">${announcement.value}</p>
  <main id="main" tabindex="-1"><${Notices} />
    ${pipelineId.value ? html`<${Place} key=${pipelineId.value} />` : pipelines.value ? html`<${Chooser} />` : null}</main>`);

function toggleTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.dispatchEvent(new Event("themechange"));
  try { localStorage.setItem("anabranch-theme", root.dataset.theme); } catch { /* for this visit only */ }
}
try {
  const theme = localStorage.getItem("anabranch-theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch { /* none is kept */ }

addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "/" && !typing) {
    const field = document.querySelector("[type=search]");
    if (field) { event.preventDefault(); field.focus(); }
  }
  if (event.key === "Escape" && selected.value && !typing) {
    const id = selected.value;
    go({ node: "" });
    setTimeout(() => focusBox(id));
  }
});

render(html`<${App} />`, document.getElementById("app"));
start();

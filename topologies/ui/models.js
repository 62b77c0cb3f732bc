// The models: signature, version, hash, calls, and what a row costs by the size of a call.
import { html } from "./live.js";
import { api } from "./store.js";
import { Load } from "./load.js";
import { Curve } from "./plot.js";
import { Managed } from "./rollout.js";
import { bytes, count, duration, whole } from "./format.js";

const signature = (names) => names.map((each) => html`<code>${each}</code> `);

const Model = ({ model: m }) => html`<section class="card" aria-label=${`Model of ${m.node}`}>
  <h2>${m.model} <small>version ${m.version || "not named"}, at stage <a href=${`#/graph/${encodeURIComponent(m.node)}`}>${m.node}</a>
    </small></h2>
  <div class="columns"><dl class="facts"><div><dt>inputs</dt><dd>${signature(m.inputs)}</dd></div><div><dt>outputs</dt><dd>
    ${signature(m.outputs)}</dd></div>
    <div><dt>file</dt><dd>${bytes(m.bytes)}, loaded in ${duration(m.load_seconds)}</dd></div><div><dt>SHA-256</dt><dd class="mono break">
      ${m.sha256}</dd></div>
    <div><dt>calls</dt><dd>${whole(m.calls)}</dd></div><div><dt>time per call, p50 / p99</dt><dd>
      ${duration(m.call_seconds?.p50)} / ${duration(m.call_seconds?.p99)}</dd></div>
    <div><dt>rows per call, p50 / p99</dt><dd>${count(m.call_rows?.p50)} / ${count(m.call_rows?.p99)}</dd></div></dl>
  ${m.curve?.length > 1 ? html`<${Curve} curve=${m.curve} />`
      : html`<p class="hint">The calls had one size so far, so there is no curve.</p>`}</div></section>`;

export const Models = () => html`<${Load} load=${() => api("models")} every=${3} view=${(data, reload) => html`
  ${(data.deployed || []).map((m) => html`<${Managed} key=${m.model} model=${m} reload=${reload} />`)}
  ${data.models.map((m) => html`<${Model} key=${m.node} model=${m} />`)}
  ${data.models.length ? null : html`<section class="card"><h2>Models</h2><p class="hint">The topology calls no model.</p></section>`}`} />`;

// A model whose versions are deployed: which one scores, how the next one is rolled out, and who changed what.
import { html, live } from "./live.js";
import { api, token } from "./store.js";
import { Load } from "./load.js";
import { Glyph, State, Table } from "./parts.js";
import { Comparison } from "./compare.js";
import { Orders } from "./change.js";
import { clock, figure, part, whole } from "./format.js";

const Steps = ({ steps, at }) => html`<ol class="steps" aria-label="Steps of the rollout">${steps.map(({ text }, i) => {
  const state = i + 1 < at ? "done" : i + 1 === at ? "running" : "idle";
  return html`<li class=${state} aria-current=${i + 1 === at ? "step" : null}><${Glyph} state=${state} /> ${text}</li>`;
})}</ol>`;

const Rollout = ({ model: { rollout: r, steps } }) => html`<h3>Rollout of version ${r.candidate}</h3>
  <p><${State} state=${r.state} /> · ${r.text}</p>
  <${Steps} steps=${steps} at=${r.step} />
  <p>Rows of this step: ${whole(r.rows)}, of which both versions scored ${whole(r.paired)}. Version ${r.serving} answered
    ${" "}${whole(r.answered[0])}, version ${r.candidate} ${whole(r.answered[1])}.</p>
  <${Table} caption="Guards" head=${["guard", "state", "measured", "limit", "e-value", "rows", "units"]} numeric=${[2, 3, 4, 5, 6]}
    empty="The rollout has no guard: a person promotes it or rolls it back."
    rows=${r.guards.map((g) => [g.name, html`<${State} state=${g.state} />`, ...[g.measured, g.limit, g.e].map(figure), whole(g.rows),
      whole(g.units)])} />`;

const lines = (texts) => texts.map((text) => html`<div>${text}</div>`);
const history = (data) => html`<${Table} caption="History, the newest first" empty="Nothing was run or deployed yet."
  head=${["generation", "version", "what", "step", "state", "when", "who", "why", "figures"]} numeric=${[0]}
  rows=${data.history.map((e) => [whole(e.generation), e.version, e.action, e.step ? `${e.step}: ${e.rule} ${part(e.share)}` : "", e.state, clock(e.at), e.by,
    lines([e.reason, ...e.reasons]), lines(Object.values(e.guards || {}))])} />`;

export const Managed = live(({ model: m, reload }) => html`<section class="card" aria-label=${`Versions of ${m.model}`}>
  <h2>${m.model} <small>version ${m.version}, generation ${whole(m.generation)} since ${clock(m.since)}</small></h2>
  ${m.deploying ? html`<p><${State} state="starting" word=${`version ${m.deploying} is made ready`} /></p>` : null}
  ${m.swapping ? html`<p><${State} state="starting" word=${`version ${m.swapping} is loaded in place since ${clock(m.swapping_since)}; records wait`} /></p>` : null}
  ${m.rollout ? html`<${Rollout} model=${m} />` : null}
  ${token.value && m.orders ? html`<${Orders} model=${m} reload=${reload} />` : null}
  ${m.rollout ? html`<${Comparison} key=${m.generation} model=${m.model} />` : null}
  <${Load} load=${() => api(`models/${encodeURIComponent(m.model)}/history`)} view=${history} every=${5}
    secret="To see who changed versions, and to change them," /></section>`);

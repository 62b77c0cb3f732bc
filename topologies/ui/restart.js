// The plan of a restart, drawn on the graph, and the order to carry it out.
import { html } from "./live.js";
import { api, topology, snapshot, causeOf, refresh } from "./store.js";
import { Load } from "./load.js";
import { Graph } from "./graph.js";
import { Command, Glyph, Order, State, Table } from "./parts.js";
import { bytes, clock, plural, whole } from "./format.js";

function view(answer, reload) {
  const { plan, failure } = answer;
  if (!answer.failed) {
    return html`<section class="card"><h2>Restart</h2><p><${Glyph} state="done" /> No stage has stopped, so there is nothing to restart.</p>
      <p class="hint">When a stage stops, this page shows what a restart runs again, what it reuses, and why.</p></section>`;
  }
  return html`<section class="card"><h2>Restart from ${plan.from}</h2>
      <p class="cause"><${State} state="failed" word="Root cause" /> <b>
        ${failure.stage}</b> at ${clock(failure.at)}: ${causeOf(failure)} <code>${failure.class}</code></p>
      ${failure.cascade?.length
          ? html`<p><${State} state="skipped" word="Behind it" /> ${failure.cascade.join(", ")} ${failure.cascade.length === 1 ? "got"
              : "get"} no rows because of it.</p>` : null}
      ${plan.refused ? html`<div class="notice is-bad"><${Glyph} state="refused" /><div><b>Refused.</b> ${plan.refused}</div></div>` : null}
      <div class="columns"><dl class="facts"><div><dt>records that go on</dt><dd>${whole(plan.records)}</dd></div>
        <div><dt>stages that run</dt><dd>${plan.stages_to_run.join(", ") || "none"}</dd></div>
        <div><dt>changed since the failure</dt><dd>
          ${plan.changes.length ? plan.changes.map((c) => html`${c}<br />`) : plan.unchanged ? "nothing: the cause may still be there"
              : "nothing"}</dd></div>
        <div><dt>plan</dt><dd><code>${plan.token}</code></dd></div></dl>
      <${Table} caption="Results that are reused" head=${["stage", "rows", "size"]} numeric=${[1, 2]}
        rows=${plan.results_reused.map((r) => [r.node, whole(r.rows), bytes(r.bytes)])} empty="No result is reused." /></div>
      ${plan.refused ? html`<p>Fix it, then look again. <button type="button" onClick=${reload}>Look again</button></p>`
          : answer.can_restart_here
        ? html`<${Order} key=${plan.token + failure.at} what="A restart" path="restart" body=${{ token: plan.token }}
            button=${`Restart from ${plan.from}`} then=${refresh}
              done="The restart is accepted. The header shows when the pipeline runs." />`
        : html`<p>No process waits here for the order. Run this where the state folder is: <${Command} text=${answer.command} />
          </p>`}</section>
    <p class="hint">Drawn bold: runs. Solid: its results are reused. Hatched: refused. Dotted: not affected.
      ${" "}${plural(plan.stages_to_run.length, "stage")} of ${topology.value?.stages.length} run.</p>
    <div class="place"><${Graph} plan=${answer.stages} /></div>`;
}

/** Asked for again when the pipeline's state changes, or another failure has the same state. */
export const Restart = () => html`<${Load} key=${`restart ${snapshot.value?.state} ${snapshot.value?.failure?.at}`}
    load=${() => api("restart")} view=${view} every=${10} />`;

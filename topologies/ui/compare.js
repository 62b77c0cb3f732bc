// How the answers of two versions to the same rows differ.
import { html } from "./live.js";
import { api } from "./store.js";
import { Load } from "./load.js";
import { Table } from "./parts.js";
import { Plot } from "./plot.js";
import { duration, figure, part, whole } from "./format.js";

function binName({ edges, classes }, bin) {
  if (classes) return classes[bin] ?? "others";
  if (!bin) return `< ${figure(edges[0])}`;
  return bin < edges.length ? `${figure(edges[bin - 1])} … ${figure(edges[bin])}` : `≥ ${figure(edges[bin - 1])}`;
}

/** The answers of both versions as two histograms, one over the other, in shares. */
function Bins({ output: o, serving, candidate }) {
  const shares = (bins) => bins.map((n) => n / Math.max(1, bins.reduce((sum, each) => sum + each, 0)));
  return html`<${Plot} title=${`Answers: ${o.name}`} x=${o.serving_bins.map((_, i) => i)} xName="answer" show=${part} height=${130}
    bars=${(bin) => binName(o, bin)} lines=${[{ name: `version ${serving}`, tone: "--hist", values: shares(o.serving_bins), filled: true },
      { name: `version ${candidate}`, tone: "--warn", values: shares(o.candidate_bins) }]} />`;
}

const row = (s, o) => [s.value ?? "all rows", o.name, whole(o.compared), part(o.agreement),
  ...(o.is_label ? Array(5).fill("") : [`${figure(o.mean_difference)} ± ${figure(o.interval)}`, ...[o.p50, o.p99, o.max, o.pearson].map(figure)]),
  figure(o.psi), figure(o.ks), whole(s.only_candidate_failed)];

const Node = ({ node, serving, candidate }) => {
  const all = node.segments[0], time = (s) => `${duration(s?.p50)} / ${duration(s?.p99)}`;
  return html`<h3>Version ${candidate} against ${serving} at stage ${node.node}</h3>
    <dl class="facts"><div><dt>rows that both scored</dt><dd>${whole(all.rows)}; failed by ${serving} alone ${whole(all.only_serving_failed)}, by
      ${" "}${candidate} alone ${whole(all.only_candidate_failed)}, by both ${whole(all.both_failed)}</dd></div>
      <div><dt>time per row, p50 / p99</dt><dd>${serving}: ${time(all.serving_seconds)}; ${candidate}: ${time(all.candidate_seconds)}</dd></div></dl>
    <div class="columns">${all.outputs.map((o) => o.serving_bins?.length > 1
      ? html`<${Bins} key=${o.name} output=${o} serving=${serving} candidate=${candidate} />` : null)}</div>
    <${Table} caption="Differences by output and segment" numeric=${[2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}
      head=${["segment", "output", "rows", "agreement", "mean difference", "p50", "p99", "max", "correlation", "PSI", "KS", `${candidate} failed`]}
      rows=${node.segments.flatMap((s) => s.outputs.map((o) => row(s, o)))} />
    ${Object.entries(node.worst).map(([output, rows]) => html`<${Table} caption=${`Rows that differ most: ${output}`} numeric=${[3]}
        head=${["record", `version ${serving}`, `version ${candidate}`, "difference"]} empty=${`No row differs in ${output}.`}
        rows=${rows.map((w) => [html`<code>${w.id}</code>`, w.serving, w.candidate, figure(w.difference)])} />`)}`;
};

export const Comparison = ({ model }) => html`<${Load} load=${() => api(`models/${encodeURIComponent(model)}/compare`)} every=${4}
  view=${(data) => data.nodes.map((node) => html`<${Node} key=${node.node} node=${node} serving=${data.serving} candidate=${data.candidate} />`)} />`;

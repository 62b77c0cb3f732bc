// All about one stage: counts, plots, its configuration, its guarantee, its records.
import { html, live, Component } from "./live.js";
import { snapshot, topology, api, query } from "./store.js";
import { go } from "./route.js";
import { KindIcon, State, Trouble } from "./parts.js";
import { Curve, Plot } from "./plot.js";
import { Records } from "./records.js";
import { bytes, clock, count, duration, percent, perSecond, whole } from "./format.js";

const COUNTS = [["rows_in", "in"], ["rows_out", "out"], ["filtered", "filtered"], ["skipped", "skipped"],
  ["failed", "failed"], ["missed", "timed out"], ["defaulted", "defaulted"], ["dead_lettered", "dead letters"], ["retried", "retried"]];

const Counts = live(({ id }) => {
  const n = snapshot.value?.stages?.[id];
  if (!n) return null;
  const pair = (p, show) => (p ? `${show(p.p50)} / ${show(p.p99)}` : "–");
  return html`<p><${State} state=${n.state} /> · ${perSecond(n.rate)} · ${percent(n.busy)} of busy time (${n.level})</p>
    <dl class="counts">${COUNTS.map(([key, word]) => html`<div><dt>${word}</dt><dd>${whole(n[key])}</dd></div>`)}</dl>
    <dl class="facts">
      <div><dt>failed by code</dt><dd>
        ${Object.entries(n.codes || {}).map(([code, times]) => `${code} ${whole(times)}`).join(", ") || "none"}</dd></div>
      <div><dt>rows per batch, p50 / p99</dt><dd>${pair(n.batch_rows, count)}</dd></div>
      <div><dt>time per batch, p50 / p99</dt><dd>${pair(n.batch_seconds, duration)}</dd></div>
      <div><dt>rows per call, p50 / p99</dt><dd>${pair(n.call_rows, count)}</dd></div>
      <div><dt>time per call, p50 / p99</dt><dd>${pair(n.call_seconds, duration)}</dd></div></dl>`;
});

const TargetNow = live(({ id }) => {
  const target = snapshot.value?.targets?.[id];
  if (!target) return null;
  const errors = Object.entries(target.errors || {}).map(([kind, times]) => `${kind} ${times}`).join(", ");
  return html`<dl class="facts"><div><dt>rows committed</dt><dd>${whole(target.rows)} (${bytes(target.bytes)})</dd></div>
    <div><dt>commit, p50 / p99</dt><dd>${duration(target.commit_seconds?.p50)} / ${duration(target.commit_seconds?.p99)}</dd></div>
    <div><dt>last commit</dt><dd>${clock(target.last_commit)}</dd></div><div><dt>attempts that failed</dt><dd>${errors || "none"}</dd>
      </div></dl>`;
});

/** The last hour by minutes, and the measured curve of a model. Asked for once, then once a minute. @extends {Component<{stage: any}>} */
class Plots extends Component {
  state = {};
  componentDidMount() {
    this.load();
    this.timer = setInterval(() => document.hidden || this.load(), 60000);
  }
  componentWillUnmount() {
    clearInterval(this.timer);
    this.gone = true;
  }
  async load() {
    const { stage } = this.props;
    const from = Date.now() - 3600e3;
    const series = (metric) => api(`series?${query({ stage: stage.id, metric, from })}`);
    try {
      const [p50, p99, rows] = await Promise.all(["p50", "p99", "rows"].map(series));
      const models = stage.model ? (await api("models")).models : [];
      if (!this.gone) this.setState({ p50, p99, rows, model: models.find((m) => m.node === stage.id), error: null });
    } catch (error) {
      if (!this.gone) this.setState({ error });
    }
  }
  render() {
    const { p50, p99, rows, model, error } = this.state;
    if (error) return html`<${Trouble} error=${error} />`;
    if (!p50) return html`<p class="hint">Loads the last hour …</p>`;
    const x = p50.points.map((p) => p[0] / 1000);
    const line = (of, name, tone) => ({ name, tone, values: of.points.map((p) => p[1]) });
    if (!x.length) return html`<p class="hint">The history has no full minute yet.</p>`;
    return html`<${Plot} title="Time per batch, last hour" x=${x} xIsTime xName="time" show=${duration}
        lines=${[line(p50, "p50", "--info"), line(p99, "p99", "--warn")]} />
      <${Plot} title="Rows per minute" x=${rows.points.map((p) => p[0] / 1000)} xIsTime xName="time" show=${count}
        lines=${[line(rows, "rows", "--ok")]} height=${120} />
      ${model?.curve?.length > 1 ? html`<${Curve} curve=${model.curve} height=${130} />` : null}`;
  }
}

export const Panel = live(({ id }) => {
  const stage = topology.value?.stages.find((each) => each.id === id);
  if (!stage) return html`<aside class="panel card" aria-label="Stage"><p>There is no stage "${id}".</p>
    <button type="button" onClick=${() => go({ node: "" })}>Close</button></aside>`;
  const links = (ids) => ids.map((each, i) => html`${i ? ", " : ""}<a href=${`#/graph/${encodeURIComponent(each)}`}>${each}</a>`);
  const below = topology.value.stages.filter((each) => each.inputs.includes(id)).map((each) => each.id);
  return html`<aside class="panel card" aria-label=${`Stage ${id}`} key=${id}>
    <div class="title"><h2><${KindIcon} kind=${stage.kind} /> ${id}</h2><span class="spacer"></span>
      <button type="button" onClick=${() => go({ node: "" })}>Close <kbd>Esc</kbd></button></div>
    <p>${stage.kind}${stage.model ? ` · model ${stage.model}` : ""}${stage.connector ? ` · ${stage.connector}` : ""}${stage.describe
        ? `, ${stage.describe}` : ""}${stage.description ? html`<br />${stage.description}` : ""}</p>
    <p>${stage.inputs.length ? html`Reads from ${links(stage.inputs)}. ` : ""}${below.length ? html`Read by ${links(below)}.`
        : ""}${stage.when ? html` Only where <code>${stage.when}</code>.` : ""}</p>
    <${Counts} id=${id} />
    ${stage.target ? html`<h3>Target</h3><p>${stage.target.describe}</p><p>${stage.target.guarantee}</p><${TargetNow} id=${id} />` : null}
    <${Plots} stage=${stage} key=${`plots ${id}`} />
    <h3>Records</h3><${Records} node=${id} key=${`records ${id}`} />
    ${stage.makes?.length
        ? html`<h3>Columns it makes</h3><p>
          ${stage.makes.map((c, i) => html`${i ? ", " : ""}<code>${c.column}</code> ${c.type}`)}</p>` : null}
    <h3>Configuration as resolved</h3><pre class="scroll" tabindex="0" role="region" aria-label="Configuration">
      ${JSON.stringify(stage.config, null, 2)}</pre></aside>`;
});

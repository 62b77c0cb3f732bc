// Positions and lag per partition, and what the targets committed.
import { html } from "./live.js";
import { api, snapshot } from "./store.js";
import { Load } from "./load.js";
import { Table } from "./parts.js";
import { bytes, clock, duration, whole } from "./format.js";

const partitionRow = (p) =>
  [p.topic, p.partition, whole(p.next), whole(p.end), whole(p.lag_records), duration(p.lag_seconds)];
const targetRow = ([id, t]) => [
  id, whole(t.rows), bytes(t.bytes), duration(t.commit_seconds?.p50), duration(t.commit_seconds?.p99), clock(t.last_commit),
  Object.entries(t.errors || {}).map(([kind, n]) => `${kind} ${n}`).join(", ") || "none"];

function Kept() {
  const { epochs, kept } = snapshot.value || {};
  return html`<p>Epochs: ${whole(epochs?.committed)} committed, ${whole(epochs?.aborted)} aborted, ${whole(epochs?.abandoned)} abandoned.
    Kept for a restart: ${whole(kept?.rows)} records, ${bytes(kept?.bytes)} of ${bytes(kept?.limit)}.</p>`;
}

const view = (data) => html`${Object.entries(data.sources || {}).map(([id, source]) => html`<section class="card">
    <h2>${id} <small>${whole(source.records)} records, ${bytes(source.bytes)}</small></h2>
    <${Table} caption=${`Partitions of ${id}`} head=${["topic", "partition", "next", "end", "lag", "lag in time"]}
      numeric=${[1, 2, 3, 4, 5]}
      rows=${(source.partitions || []).map(partitionRow)}
      empty="No partition is assigned." /></section>`)}
  <section class="card"><h2>Commits</h2>
    <${Table} caption="Targets" head=${["target", "rows", "size", "commit p50", "commit p99", "last commit", "attempts that failed"]}
      numeric=${[1, 2, 3, 4]}
      rows=${Object.entries(snapshot.value?.targets || {}).map(targetRow)} />
    <${Kept} /></section>
  <section class="card"><h2>Warnings</h2>
    <${Table} caption="The last warnings" head=${["at", "text", "times"]} numeric=${[2]}
      rows=${(snapshot.value?.warnings || []).map((w) => [clock(w.at), w.text, whole(w.times)])} /></section>`;

export const Positions = () => html`<${Load} load=${() => api("positions")} view=${view} every=${2} />`;

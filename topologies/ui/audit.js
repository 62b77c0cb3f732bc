// Who changed what.
import { html } from "./live.js";
import { api } from "./store.js";
import { Load } from "./load.js";
import { Table } from "./parts.js";
import { clock } from "./format.js";

const view = (data) => html`<section class="card"><h2>Audit</h2>
  <${Table} caption="Changes, the newest first" head=${["at", "who", "from", "action", "what", "result"]}
  rows=${data.lines.map((l) => [clock(l.at), l.who, l.from, l.action, l.what, l.result])}
    empty="Nobody changed anything yet." /></section>`;

export const Audit = () => html`<${Load} load=${() => api("audit?limit=200")} view=${view} secret="The audit" every=${10} />`;

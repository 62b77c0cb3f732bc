// Rows in flight of one stage, by a tap that ends by itself.
import { html, Component } from "./live.js";
import { api, base, token } from "./store.js";
import { TokenForm, Trouble } from "./parts.js";
import { clock, valueText, whole } from "./format.js";

/** A tap that nobody reads costs the pipeline something: it is closed with its view. `of`: the pipeline that has it. */
const close = ({ id, of }) => api(`taps/${encodeURIComponent(id)}`, { of, method: "DELETE" }).catch(() => {});

/** @extends {Component<{node: string}>} */
export class Records extends Component {
  turn = 0;  // the view shows one tap: an answer for an earlier one comes too late
  state = { rows: [], where: "", at: "outputs", limit: 20 };
  componentDidMount() {
    this.stop = token.subscribe(() => this.setState({ error: null }));
  }
  componentWillUnmount() {
    this.stop?.();
    this.end();
  }
  end() {
    ++this.turn;
    clearTimeout(this.timer);
    if (this.tap) close(this.tap);
    this.tap = null;
  }
  start = async (event) => {
    event.preventDefault();
    this.end();
    this.setState({ rows: [], error: null, seen: 0, dropped: 0, done: false, open: true });
    const { where, at, limit } = this.state, { turn } = this, of = base();
    try {
      const { id } = await api("taps", { of, body: { nodes: [this.props.node], at, where, limit: +limit, rate: 0, columns: [] } });
      if (turn !== this.turn) return close({ id, of });
      this.tap = { id, of };
      this.read(this.tap, 0);
    } catch (error) {
      if (turn === this.turn) this.setState({ error, open: false });
    }
  };
  async read(tap, after) {
    if (this.tap !== tap) return;
    try {
      const { rows, seen, dropped, done, next } = await api(`taps/${encodeURIComponent(tap.id)}?after=${after}`, { of: tap.of });
      if (this.tap !== tap) return;
      this.setState({ rows: [...this.state.rows, ...rows].slice(-200), seen, dropped, done, open: !done });
      if (done) this.end();
      else this.timer = setTimeout(() => this.read(tap, next ?? after), 1000);
    } catch (error) {
      if (this.tap !== tap) return;
      this.end();
      this.setState({ error, open: false });
    }
  }
  render() {
    const { rows, seen, dropped, error, open, where, at, limit } = this.state;
    if (!token.value) return html`<${TokenForm} what="To see record values" />`;
    const set = (name) => (event) => this.setState({ [name]: event.target.value });
    return html`<form class="tap" onSubmit=${this.start}>
        <label>Only where <input value=${where} onInput=${set("where")} placeholder="amount > 900" spellcheck=${false} /></label>
        <label>Columns <select value=${at} onChange=${set("at")}><option value="outputs">it makes</option>
          <option value="inputs">it reads</option></select></label>
        <label>Rows <select value=${limit} onChange=${set("limit")}><option>20</option><option>100</option><option value="0">follow</option>
          </select></label>
        <button type="submit" class="main">Show records</button>
        ${open ? html`<button type="button" onClick=${() => { this.end(); this.setState({ open: false }); }}>Stop</button>` : null}</form>
      <${Trouble} error=${error} />
      ${seen === undefined ? null
          : html`<p class="hint">Showing ${whole(rows.length)} of ${whole(seen)} rows seen${dropped ? `, ${whole(dropped)} dropped`
              : ""}${open ? ", waits for more" : ""}.</p>`}
      <ol class="records" role="list">${rows.map((row) => html`<li key=${row.seq}><${Record} row=${row} /></li>`)}</ol>`;
  }
}

/** One record: where it is from, key, headers, and its values before and after. @param {{row: any}} props */
function Record({ row }) {
  const before = row.before || {}, after = row.after || {};
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return html`<div class="record"><p><b>${row.key == null ? "no key" : valueText(row.key)}</b> <span class="mono">
    ${row.topic}/${row.partition}/${row.offset}</span>
      <small>${clock(row.timestamp > 0 ? new Date(row.timestamp).toISOString() : null)} · ${row.outcome}</small></p>
    ${row.headers?.length
        ? html`<details><summary>${row.headers.length} headers</summary><p class="mono">
          ${row.headers.map((h) => html`${valueText(h[0])}: ${valueText(h[1])}<br />`)}</p></details>` : null}
    <table><thead><tr><th scope="col">column</th><th scope="col">before</th><th scope="col">after</th></tr></thead>
    <tbody>${names.map((name) => html`<tr><th scope="row">${name}</th><td class="mono">${name in before ? valueText(before[name]) : ""}</td>
          <td class="mono">${name in after ? valueText(after[name]) : ""}</td></tr>`)}</tbody></table></div>`;
}

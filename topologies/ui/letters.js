// Dead letters: groups, a list, one letter whole; replay with a dry run before, skip, export. A letter is never edited:
// it is what came, byte for byte.
import { html, live, Component, signal } from "./live.js";
import { api, query, token, topology, snapshot } from "./store.js";
import { go, item } from "./route.js";
import { Load } from "./load.js";
import { Glyph, Order, Table, TokenForm, Trouble, needsToken } from "./parts.js";
import { ago, clock, duration, plural, valueText, whole } from "./format.js";

const chosen = signal(({ node: "", code: "" }));

const groups = (data) => html`<section class="card"><h2>Dead letters</h2>
  <${Table} caption=${`${plural(data.letters, "letter")} by stage and code`} head=${["stage", "code", "letters", "oldest", "newest", "list"]} numeric=${[2]}
    empty="There is no dead letter."
    rows=${data.groups.map((g) => [html`<a href=${`#/graph/${encodeURIComponent(g.node)}`}>${g.node}</a>`, html`<code>${g.code}</code>`, whole(g.count), ago(g.oldest, null), ago(g.newest, null),
      html`<button type="button" onClick=${() => (chosen.value = { node: g.node, code: g.code })} aria-label=${`Show letters of ${g.node}, ${g.code}`}>Show</button>`])} /></section>`;

/** Letters of a group or of a search. @extends {Component<{}>} */
class List extends Component {
  state = { letters: null, picked: new Set(), where: "", node: "", code: "" };
  componentDidMount() {
    this.stops = [chosen.subscribe((group) => { this.setState(group); queueMicrotask(() => this.load(null)); }), token.subscribe(() => this.load(null))];
  }
  componentWillUnmount() {
    this.gone = true;
    this.stops?.forEach((stop) => stop());
  }
  /** From the start, or from a place on. */
  load = async (after) => {
    if (!token.value || this.gone) return;
    const { node, code, where, letters } = this.state;
    try {
      const page = await api(`letters?${query({ node, code, where, after, limit: 50 })}`);
      this.setState({ letters: after ? [...letters, ...page.letters] : page.letters, next: page.next, scanned: page.scanned, total: page.total,
                      picked: after ? this.state.picked : new Set(), error: null });
    } catch (error) {
      this.setState({ error });
    }
  };
  pick(ids, on) {
    const picked = new Set(this.state.picked);
    ids.forEach((id) => (on ? picked.add(id) : picked.delete(id)));
    this.setState({ picked });
  }
  export = async () => {
    const ids = this.state.picked.size ? [...this.state.picked] : this.state.letters.map((l) => l.id);
    this.setState({ note: `Reads ${plural(ids.length, "letter")} …` });
    try {
      const lines = [];
      for (const id of ids) lines.push(JSON.stringify(await api(`letters/${encodeURIComponent(id)}`)));
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "application/x-ndjson" }));
      link.download = `${topology.value?.name || "pipeline"}-letters.jsonl`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      this.setState({ note: `${plural(ids.length, "letter")} exported.` });
    } catch (error) {
      this.setState({ error, note: "" });
    }
  };
  render() {
    const { letters, picked, where, node, code, error, next, scanned, total, note } = this.state;
    if (needsToken(error)) return html`<section class="card"><h2>Letters</h2><${TokenForm} what="To read letters" /></section>`;
    const set = (name) => (event) => this.setState({ [name]: event.target.value });
    const all = (letters || []).map((l) => l.id);
    const search = (event) => { event.preventDefault(); this.load(null); };
    return html`<section class="card"><h2>Letters</h2>
      <form class="tap" onSubmit=${search}><label>Stage <input value=${node} onInput=${set("node")} list="stages" /></label>
        <datalist id="stages">${(topology.value?.stages || []).map((s) => html`<option value=${s.id} />`)}</datalist>
        <label>Code <input value=${code} onInput=${set("code")} /></label>
        <label class="grow">Only where <input value=${where} onInput=${set("where")} placeholder="amount > 900" spellcheck=${false} type="search" /></label>
        <button type="submit" class="main">Search</button></form>
      <${Trouble} error=${error} />
      ${letters ? html`<p class="hint">Showing ${whole(letters.length)} of ${whole(total)} letters${scanned != null ? `, ${whole(scanned)} looked at` : ""}.</p>
      <${Table} caption="Letters" empty="No letter fits." head=${[html`<input type="checkbox" aria-label="Pick all that are shown" checked=${all.length > 0 && picked.size === all.length} onChange=${(e) => this.pick(all, e.target.checked)} />`, "letter", "stage", "code", "message", "age"]}
        rows=${letters.map((l) => [html`<input type="checkbox" aria-label=${`Pick ${l.id}`} checked=${picked.has(l.id)} onChange=${(e) => this.pick([l.id], e.target.checked)} />`,
          html`<a class="mono" href=${`#/letters/${encodeURIComponent(l.id)}`}>${l.id}</a>`, l.node, html`<code>${l.code}</code>`, l.message, duration(l.age_s)])} />
      <p class="actions">${next ? html`<button type="button" onClick=${() => this.load(next)}>More</button>` : null}
        <button type="button" onClick=${this.export} disabled=${!all.length}>Export ${picked.size ? picked.size : "all shown"} as JSONL</button> <small role="status">${note}</small></p>
      <${Replay} ids=${[...picked]} node=${node} code=${code} done=${() => this.load(null)} />` : html`<p class="hint">Loads …</p>`}</section>`;
  }
}

/** Replay: what it would do is asked for first. @extends {Component<{ids: string[], node: string, code: string, done: () => void}>} */
class Replay extends Component {
  state = {};
  what() {
    const { ids, node, code } = this.props;
    return ids.length ? { ids } : { node, code };
  }
  componentDidUpdate(before) {
    if (before.ids.join() !== this.props.ids.join() && this.state.plan) this.setState({ plan: null });
  }
  ask = async (dry) => {
    this.setState({ busy: true, error: null, note: "" });
    try {
      const answer = await api("letters/replay", { body: { ...this.what(), dry_run: dry } });
      this.setState(dry ? { plan: answer, busy: false } : { plan: null, busy: false, note: answer.done ? "The replay is done. What failed again is in the list." : "The replay goes on. A warning says when it is done." });
      if (!dry) this.props.done();
    } catch (error) {
      this.setState({ error, busy: false });
    }
  };
  render() {
    const { plan, busy, error, note } = this.state;
    const { ids, node, code } = this.props;
    const which = ids.length ? `the ${plural(ids.length, "picked letter")}` : node || code ? `all letters of ${[node, code].filter(Boolean).join(", ")}` : "all letters";
    return html`<div class="replay"><p class="actions"><button type="button" class="main" disabled=${busy} onClick=${() => this.ask(true)}>Try a replay of ${which}</button> <small role="status">${note}</small></p>
      <${Trouble} error=${error} />
      ${plan ? html`<div class="notice is-info" role="status"><${Glyph} state="reused" /><div>A replay sends <b>${plural(plan.letters, "letter")}</b> on from the stage that refused them; ${whole(plan.with_results)} reuse results.
        ${Object.entries(plan.cannot || {}).map(([why, n]) => html`<br />${whole((n))} cannot: ${why}`)}
        <p class="actions"><button type="button" class="main" disabled=${busy} onClick=${() => this.ask(false)}>Replay them</button> <button type="button" onClick=${() => this.setState({ plan: null })}>Leave it</button></p></div></div>` : null}</div>`;
  }
}

/** After a stage stopped, its records wait. Skipping makes dead letters of them. */
const Skip = live(() => {
  const failure = snapshot.value?.failure;
  if (!failure || !token.value) return null;
  return html`<section class="card"><h2>Records that wait for ${failure.stage}</h2><p>${whole(failure.records)} records wait for a restart. Skipping makes them dead letters, which can be replayed later.</p>
    <${Order} what="A skip" path="letters/skip" button="Skip them" danger done="The waiting records become dead letters." /></section>`;
});

const whole_letter = (letter) => html`<section class="card" aria-label="One letter"><div class="title"><h2 class="mono">${letter.id}</h2><span class="spacer"></span><button type="button" onClick=${() => go({ page: "letters" })}>Back to the list</button></div>
  <p><b>${letter.node}</b> <code>${letter.code}</code> ${letter.message}</p>
  <dl class="facts"><div><dt>failed at</dt><dd>${clock(letter.failed_at)}</dd></div><div><dt>attempts</dt><dd>${letter.attempts}</dd></div><div><dt>class</dt><dd>${letter.class}</dd></div>
    <div><dt>record's time</dt><dd>${letter.timestamp > 0 ? clock(new Date(letter.timestamp).toISOString()) : "none"}</dd></div><div><dt>key</dt><dd class="mono">${letter.key == null ? "none" : valueText(letter.key)}</dd></div></dl>
  <h3>Value</h3><pre class="scroll" tabindex="0" role="region" aria-label="Value">${valueText(letter.value, 2)}</pre>
  <${Table} caption="Headers" head=${["name", "value"]} rows=${(letter.headers || []).map((h) => [valueText(h[0]), html`<span class="mono">${valueText(h[1])}</span>`])} empty="It has no header." />
  <h3>Results so far</h3><pre class="scroll" tabindex="0" role="region" aria-label="Results so far">${JSON.stringify(letter.results, null, 2)}</pre></section>`;

export const Letters = () => item.value
  ? html`<${Load} key=${item.value} load=${() => api(`letters/${encodeURIComponent(item.value)}`)} view=${whole_letter} secret="To read a letter" />`
  : html`<${Load} key="groups" load=${() => api("letters/groups")} view=${groups} every=${5} /><${List} /><${Skip} />`;

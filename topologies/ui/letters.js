// Dead letters: groups, a list, one letter whole; replay with a dry run before, skip, export. A letter is never edited.
import { html, live, Component, effect, signal } from "./live.js";
import { api, query, token, topology, snapshot } from "./store.js";
import { go, item } from "./route.js";
import { Load } from "./load.js";
import { Glyph, Order, Table, TokenForm, Trouble } from "./parts.js";
import { ago, clock, duration, plural, valueText, whole } from "./format.js";

const chosen = signal({ node: "", code: "" });

const groups = (data) => html`<section class="card"><h2>Dead letters</h2>
  <${Table} caption=${`${plural(data.letters, "letter")} by stage and code`}
    head=${["stage", "code", "letters", "oldest", "newest", "list"]} numeric=${[2]}
    empty="There is no dead letter."
    rows=${data.groups.map((g) => [html`<a href=${`#/graph/${encodeURIComponent(g.node)}`}>${g.node}</a>`, html`<code>${g.code}</code>`,
          whole(g.count), ago(g.oldest, null), ago(g.newest, null),
      html`<button type="button" onClick=${() => (chosen.value = { node: g.node, code: g.code })}
          aria-label=${`Show letters of ${g.node}, ${g.code}`}>Show</button>`])} /></section>`;

const NO_FILTER = { node: "", code: "", where: "" };

/** Letters of a group or of a search. @extends {Component<{}>} */
class List extends Component {
  /** `form`: the fields as they are; `sought`: what the list shows, and what a replay takes. */
  state = { letters: null, picked: new Set(), form: NO_FILTER, sought: NO_FILTER };
  asked = 0;
  componentDidMount() {
    let last = null;
    this.stop = effect(() => {
      const group = chosen.value;
      this.search(token.value && group === last ? this.wanted : { ...NO_FILTER, ...group });
      last = group;
    });
  }
  componentWillUnmount() {
    this.gone = true;
    this.stop?.();
  }
  search = (sought) => {
    this.wanted = sought;
    this.setState({ form: sought });
    return this.load(sought, null);
  };
  /** From the start, or from a place on. A later request makes the answer of this one worthless. */
  async load(sought, after) {
    if (!token.value || this.gone) return;
    const number = ++this.asked;
    const answered = (state) => number === this.asked && !this.gone && this.setState(state);
    try {
      const page = await api(`letters?${query({ ...sought, after, limit: 50 })}`);
      answered({ sought, letters: after ? [...this.state.letters, ...page.letters] : page.letters, next: page.next,
                 scanned: page.scanned, total: page.total, picked: after ? this.state.picked : new Set(), error: null });
    } catch (error) {
      answered({ error });
    }
  }
  pick(ids, on) {
    const picked = new Set(this.state.picked);
    ids.forEach((id) => (on ? picked.add(id) : picked.delete(id)));
    this.setState({ picked });
  }
  export = async () => {
    const ids = this.state.picked.size ? [...this.state.picked] : this.state.letters.map((l) => l.id);
    this.setState({ note: `Reads ${plural(ids.length, "letter")} …`, error: null });
    try {
      const found = [];
      for (const id of ids) found.push(await api(letterAt(id, true)));
      const masked = found.filter((letter) => letter.masked).length;
      if (masked) {
        const message = `Nothing is exported: ${plural(masked, "letter")} of ${whole(ids.length)} would have *** in place of values.`;
        return this.setState({ note: "", error: { message, cure: "Use a token with the role operate." } });
      }
      save(found, `${topology.value?.name || "pipeline"}-letters.jsonl`);
      this.setState({ note: `${plural(ids.length, "letter")} exported.` });
    } catch (error) {
      this.setState({ error, note: "" });
    }
  };
  form() {
    const { node, code, where } = this.state.form;
    const set = (name) => (event) => this.setState({ form: { ...this.state.form, [name]: event.target.value } });
    const submit = (event) => {
      event.preventDefault();
      this.search(this.state.form);
    };
    return html`<form class="tap" onSubmit=${submit}>
      <label>Stage <input value=${node} onInput=${set("node")} list="stages" /></label>
      <datalist id="stages">${(topology.value?.stages || []).map((s) => html`<option value=${s.id} />`)}</datalist>
      <label>Code <input value=${code} onInput=${set("code")} /></label>
      <label class="grow">Only where <input value=${where} onInput=${set("where")} placeholder="amount > 900" spellcheck=${false}
        type="search" /></label>
      <button type="submit" class="main">Search</button></form>`;
  }
  table() {
    const { letters, picked } = this.state;
    const all = letters.map((l) => l.id);
    const box = (label, checked, ids) => html`<input type="checkbox" aria-label=${label} checked=${checked}
      onChange=${(e) => this.pick(ids, e.target.checked)} />`;
    return html`<${Table} caption="Letters" empty="No letter fits."
      head=${[box("Pick all that are shown", all.length > 0 && picked.size === all.length, all), "letter", "stage", "code",
          "message", "age"]}
      rows=${letters.map((l) => [
        box(`Pick ${l.id}`, picked.has(l.id), [l.id]), html`<a class="mono" href=${`#/letters/${encodeURIComponent(l.id)}`}>${l.id}</a>`,
        l.node, html`<code>${l.code}</code>`, l.message, duration(l.age_s)])} />`;
  }
  render() {
    const { letters, picked, sought, error, next, scanned, total, note } = this.state;
    if (!token.value) return html`<section class="card"><h2>Letters</h2><${TokenForm} what="To read letters" /></section>`;
    return html`<section class="card"><h2>Letters</h2>${this.form()}<${Trouble} error=${error} />
      ${letters ? html`<p class="hint">Showing ${whole(letters.length)} of ${whole(total)} letters${scanned != null
          ? `, ${whole(scanned)} looked at` : ""}.</p>
      ${this.table()}
      <p class="actions">${next ? html`<button type="button" onClick=${() => this.load(sought, next)}>More</button>` : null}
        <button type="button" onClick=${this.export} disabled=${!letters.length}>Export ${picked.size ? picked.size
            : "all shown"} as JSONL</button>
        <small role="status">${note}</small></p>
      <${Replay} ids=${[...picked]} sought=${sought} done=${() => this.load(sought, null)} />`
          : html`<p class="hint">Loads …</p>`}</section>`;
  }
}

/** Gives the browser a file with one line per value. */
function save(values, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(values.map((value) => JSON.stringify(value) + "\n"), { type: "application/x-ndjson" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/**
 * Replay: what it would do is asked for first, and exactly what was tried is ordered.
 * @extends {Component<{ids: string[], sought: {node: string, code: string, where: string}, done: () => void}>}
 */
class Replay extends Component {
  state = {};
  /** What would be ordered now, and its words. */
  choice() {
    const { ids, sought: { node, code } } = this.props;
    if (ids.length) return { body: { ids }, words: `the ${plural(ids.length, "picked letter")}` };
    if (!node && !code) return { body: { all: true }, words: "all letters" };
    return { body: { ...(node && { node }), ...(code && { code }) }, words: `all letters of ${[node, code].filter(Boolean).join(", ")}` };
  }
  componentDidUpdate() {
    if (this.state.plan && this.state.of !== JSON.stringify(this.choice().body)) this.setState({ plan: null });
  }
  ask = async () => {
    const { body, words } = this.choice();
    this.setState({ busy: true, error: null, note: "", plan: null });
    try {
      const plan = await api("letters/replay", { body: { ...body, dry_run: true } });
      this.setState({ plan, body, words, of: JSON.stringify(body), busy: false });
    } catch (error) {
      this.setState({ error, busy: false });
    }
  };
  order = async () => {
    this.setState({ busy: true, error: null });
    try {
      const answer = await api("letters/replay", { body: { ...this.state.body, dry_run: false } });
      this.setState({ plan: null, busy: false, note: answer.done ? "The replay is done. What failed again is in the list."
          : "The replay goes on. A warning says when it is done." });
      this.props.done();
    } catch (error) {
      this.setState({ error, busy: false });
    }
  };
  render() {
    const { plan, words, busy, error, note } = this.state;
    if (this.props.sought.where && !this.props.ids.length) {
      return html`<div class="replay">
        <p class="hint">A replay takes picked letters, or all of a stage and code. Pick those of this search.</p></div>`;
    }
    return html`<div class="replay"><p class="actions">
      <button type="button" class="main" disabled=${busy} onClick=${this.ask}>Try a replay of ${this.choice().words}</button> <small
        role="status">${note}</small></p>
      <${Trouble} error=${error} />
      ${plan ? html`<div class="notice is-info" role="status"><${Glyph} state="reused" /><div>A replay of ${words} sends <b>
          ${plural(plan.letters, "letter")}</b> on from the stage that refused them; ${whole(plan.with_results)} reuse results.
        ${Object.entries(plan.cannot || {}).map(([why, n]) => html`<br />${whole(n)} cannot: ${why}`)}
        <p class="actions"><button type="button" class="main" disabled=${busy} onClick=${this.order}>Replay them</button> <button
          type="button" onClick=${() => this.setState({ plan: null })}>Leave it</button></p></div></div>` : null}</div>`;
  }
}

/** After a stage stopped, its records wait. Skipping makes dead letters of them. */
const Skip = live(() => {
  const failure = snapshot.value?.failure;
  if (!failure || !token.value) return null;
  return html`<section class="card"><h2>Records that wait for ${failure.stage}</h2><p>
    ${whole(failure.records)} records wait for a restart. Skipping makes them dead letters, which can be replayed later.</p>
    <${Order} key=${failure.at} what="A skip" path="letters/skip" button="Skip them" danger
      done="The waiting records become dead letters." /></section>`;
});

/** Where one letter is read; revealed: with the values that the schema hides, where the token may see them. */
const letterAt = (id, reveal) => `letters/${encodeURIComponent(id)}${reveal ? "?reveal=1" : ""}`;
/** The letter whose hidden values the user asked for. */
const revealed = signal("");

const Masked = ({ letter }) => html`<div class="notice is-warn"><${Glyph} state="refused" /><div>
  <b>Masked:</b> what is *** here came as a value that the schema hides. Do not produce this text again.${" "}
  ${revealed.value === letter.id ? "This token may not see it; a token with the role operate may."
    : html`<button type="button" onClick=${() => (revealed.value = letter.id)}>Show the values</button>`}</div></div>`;

const whole_letter = (letter) => html`<section class="card" aria-label="One letter">
  <div class="title"><h2 class="mono">${letter.id}</h2><span class="spacer"></span>
    <button type="button" onClick=${() => go({ page: "letters" })}>Back to the list</button></div>
  <p><b>${letter.node}</b> <code>${letter.code}</code> ${letter.message}</p>
  ${letter.masked ? html`<${Masked} letter=${letter} />` : null}
  <dl class="facts"><div><dt>failed at</dt><dd>${clock(letter.failed_at)}</dd></div><div><dt>attempts</dt><dd>${letter.attempts}</dd></div>
    <div><dt>class</dt><dd>${letter.class}</dd></div>
    <div><dt>record's time</dt><dd>${letter.timestamp > 0 ? clock(new Date(letter.timestamp).toISOString()) : "none"}</dd></div>
    <div><dt>key</dt><dd class="mono">${letter.key == null ? "none" : valueText(letter.key)}</dd></div></dl>
  <h3>Value</h3><pre class="scroll" tabindex="0" role="region" aria-label="Value">${valueText(letter.value, 2)}</pre>
  <${Table} caption="Headers" head=${["name", "value"]}
    rows=${(letter.headers || []).map((h) => [valueText(h[0]), html`<span class="mono">${valueText(h[1])}</span>`])}
      empty="It has no header." />
  <h3>Results so far</h3><pre class="scroll" tabindex="0" role="region" aria-label="Results so far">
    ${JSON.stringify(letter.results, null, 2)}</pre></section>`;

export const Letters = () => {
  const id = item.value, reveal = revealed.value === id;
  return id
    ? html`<${Load} key=${`${id} ${reveal}`} load=${() => api(letterAt(id, reveal))} view=${whole_letter} secret="To read a letter" />`
    : html`<${Load} key="groups" load=${() => api("letters/groups")} view=${groups} every=${5} /><${List} /><${Skip} />`;
};

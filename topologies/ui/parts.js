// Small pieces that several pages draw.
import { html, live, Component, createRef, signal } from "./live.js";
import { api, token, setToken, refusal, topology } from "./store.js";
import { stateOf } from "./format.js";

/** The glyph of a state. The word stands beside it, so it is hidden from readers. @param {{state: string}} props */
export function Glyph({ state }) {
  const [glyph, , colour] = stateOf(state);
  return html`<span class=${`glyph is-${colour}`} aria-hidden="true">${glyph}</span>`;
}

/** Glyph and word. @param {{state: string, word?: string}} props */
export function State({ state, word }) {
  const [, known, colour] = stateOf(state);
  return html`<span class=${`state is-${colour}`}><${Glyph} state=${state} /> <span>${word || known}</span></span>`;
}

const ICONS = {
  source: "M2 8h8M7 5l3 3-3 3M13 3v10", validate: "M3 8.5l3.5 3.5L13 4", transform: "M3 5h10M3 11h10M6 3v4M10 9v4",
  infer: "M4 4l8 4-8 4zM4 4v8M12 8h2", ensemble: "M3 3c4 0 3 5 7 5M3 13c4 0 3-5 7-5M3 8h11",
  persist: "M3 4.5c0-2 10-2 10 0v7c0 2-10 2-10 0zM3 4.5c0 2 10 2 10 0",
};
/** @param {{kind: string}} props */
export function KindIcon({ kind }) {
  return html`<svg class="kind" viewBox="0 0 16 16" aria-hidden="true"><path d=${ICONS[kind] || "M3 3h10v10H3z"} /></svg>`;
}

/** A table with a caption. @param {{caption: string, head: any[], rows: any[][], numeric?: number[], empty?: string}} props */
export function Table({ caption, head, rows, numeric = [], empty = "None." }) {
  if (!rows.length) return html`<p class="hint">${empty}</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}><table><caption>${caption}</caption>
    <thead><tr>${head.map((cell, i) => html`<th scope="col" class=${numeric.includes(i) ? "number" : ""}>${cell}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>
          ${row.map((cell, i) => html`<td class=${numeric.includes(i) ? "number" : ""}>${cell}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

/** Text to paste, with a button that copies it. @extends {Component<{text: string}>} */
export class Command extends Component {
  state = { said: "Copy" };
  text = createRef();
  render() {
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(this.props.text);  // none where the page is not from this machine or by TLS
        this.setState({ said: "Copied" });
      } catch {
        getSelection().selectAllChildren(this.text.current);
        this.setState({ said: "Selected: copy it by key" });
      }
    };
    return html`<span class="command"><code ref=${this.text}>${this.props.text}</code>
      <button type="button" onClick=${copy}>${this.state.said}</button></span>`;
  }
}

/** What went wrong with a request, and what helps. @param {{error: any}} props */
export function Trouble({ error }) {
  if (!error) return null;
  return html`<div class="notice is-bad"><${Glyph} state="failed" /> <span>${error.message}${error.cure ? html` <b>${error.cure}</b>` : ""}
    ${error.word === "role" ? html` <button type="button" onClick=${() => setToken("")}>Use another token</button>` : null}</span></div>`;
}

const typed = signal("");
/** Asks for the token where an answer has record values or changes something. @param {{what: string}} props */
export const TokenForm = live(({ what }) => {
  const submit = (event) => {
    event.preventDefault();
    setToken(typed.value);
    typed.value = "";
  };
  return html`<form class="token" onSubmit=${submit}><${Trouble} error=${refusal.value} />
    <p>${what} needs a token: the one in the address that <code>anabranch</code> printed when it started,
      behind <code>#t=</code>, or yours of the file of <code>--http-tokens</code>. This tab keeps it.</p>
    <label>Token <input type="password" autocomplete="off" value=${typed.value} onInput=${(e) => (typed.value = e.target.value)} /></label>
    <button type="submit">Use it</button></form>`;
});

/**
 * An order that changes something: the name of the topology is typed to confirm it.
 * @extends {Component<{what: string, path: string, body?: any, button: string, danger?: boolean, done: string, then?: () => void}>}
 */
export class Order extends Component {
  state = { typed: "" };
  componentDidMount() { this.stop = token.subscribe(() => this.setState({ error: null })); }
  componentWillUnmount() { this.stop(); }
  send = async (event) => {
    event.preventDefault();
    const { path, body, then } = this.props;
    this.setState({ busy: true, error: null });
    try {
      await api(path, { body: { ...body, confirm: this.state.typed } });
      this.setState({ accepted: true, busy: false });
      then?.();
    } catch (error) {
      this.setState({ error, busy: false });
    }
  };
  render() {
    const { what, button, danger, done } = this.props, { typed, error, busy, accepted } = this.state;
    const name = topology.value?.name;
    if (accepted) return html`<p role="status"><${Glyph} state="done" /> ${done}</p>`;
    if (!token.value) return html`<${TokenForm} what=${what} />`;
    return html`<form onSubmit=${this.send}><label class="confirm">Type <b>${name}</b> to confirm
      <input autocomplete="off" spellcheck=${false} value=${typed} onInput=${(e) => this.setState({ typed: e.target.value })} /></label>
      <button type="submit" class=${danger ? "danger" : "main"} disabled=${busy || typed !== name}>${button}</button>
        <${Trouble} error=${error} /></form>`;
  }
}

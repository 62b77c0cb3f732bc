// Orders about the versions of a model. Each says in one sentence what it does, and asks why.
import { html, Component, createRef } from "./live.js";
import { api } from "./store.js";
import { State, Trouble } from "./parts.js";

const ORDERS = { deploy: "Deploy", promote: "Promote", hold: "Hold", rollback: "Roll back" };

const Change = ({ change: { action, state, lines, reasons } }) => html`<div role="status">
  <${State} state=${state} word=${`${ORDERS[action]}: ${state}`} />
  ${[...lines.slice(-1), ...reasons].map((line) => html`<div>${line}</div>`)}</div>`;

/** `orders` says what can be ordered now, and what it does. @extends {Component<{model: any, reload: () => void}>} */
export class Orders extends Component {
  state = {};
  dialog = createRef();
  others() { return this.props.model.versions.filter((each) => each.version !== this.props.model.version); }
  /** Without the steps: "deploy_now", "promote_to_end"; from the _ on its flag. */
  short(action = this.state.action) { return Object.keys(this.props.model.orders).find((each) => each.startsWith(`${action}_`)); }
  ask(action) {
    this.setState({ action, version: this.others()[0]?.version, reason: "", straight: !this.props.model.orders[action], error: null, seen: this.props.model.generation },
      () => this.dialog.current.showModal());
  }
  send = async (event) => {
    event.preventDefault();
    const { action, version, reason, straight, seen } = this.state;
    const body = { reason, ...(action === "deploy" ? { version } : { generation: seen }),
      ...(straight && { [this.short().slice(action.length + 1)]: true }) };
    this.setState({ busy: true, error: null });
    try {
      await api(`models/${encodeURIComponent(this.props.model.model)}/${action}`, { body });
      this.dialog.current.close();
      this.props.reload();
    } catch (error) {
      this.setState({ error });
    }
    this.setState({ busy: false });
  };
  form() {
    const { model: m } = this.props, { action, version, reason, straight, busy, error } = this.state;
    const set = (name) => ({ target }) => this.setState({ [name]: target.type === "checkbox" ? target.checked : target.value });
    const short = this.short(), effect = m.orders[straight && short || action];
    return html`<form onSubmit=${this.send}><h2>${ORDERS[action]} ${m.model}</h2>
      ${action === "deploy" ? html`<label class="confirm">Version <select value=${version} onChange=${set("version")}>
        ${this.others().map((each) => html`<option value=${each.version}>${each.version}</option>`)}</select></label>` : null}
      ${short && m.orders[action] && html`<label class="confirm"><input type="checkbox" checked=${straight} onChange=${set("straight")} /> Without the steps</label>`}
      <p class="effect">${effect || "This cannot be ordered any more."}</p>
      <label class="confirm">Reason, for the history <input autocomplete="off" maxlength="500" value=${reason} onInput=${set("reason")} /></label>
      <p class="actions"><button type="submit" class=${action === "rollback" ? "danger" : "main"} disabled=${busy || !reason.trim() || !effect}>
        ${ORDERS[action]}</button> <button type="button" onClick=${() => this.dialog.current.close()}>Leave it</button></p>
      <${Trouble} error=${error} /></form>`;
  }
  render() {
    const { model: m } = this.props, { action } = this.state;
    return html`<p class="actions">${Object.entries(ORDERS).map(([each, word]) => html`<button type="button" disabled=${!m.orders[each] && !this.short(each)}
        onClick=${() => this.ask(each)}>${word}…</button>`)}</p>
      ${m.change ? html`<${Change} change=${m.change} />` : null}
      <dialog ref=${this.dialog} aria-label="An order" onClose=${() => this.setState({ action: null })}>
        ${action ? this.form() : null}</dialog>`;
  }
}

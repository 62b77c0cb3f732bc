// A page whose data is asked for when it opens, and again when the user asks.
import { html, Component } from "./live.js";
import { token } from "./store.js";
import { TokenForm, Trouble } from "./parts.js";

/**
 * Draws `view(data, reload)` of what `load()` answers. `every`: seconds until it is asked for again; 0: never.
 * @extends {Component<{load: () => Promise<any>, view: (data: any, reload: () => void) => any, every?: number, secret?: string}>}
 */
export class Load extends Component {
  state = {};
  asked = 0;
  /** The number of the request that is not answered yet: while there is one, time alone starts no other. */
  open = 0;
  componentDidMount() {
    this.stop = token.subscribe(() => this.load());
    if (this.props.every) this.timer = setInterval(() => document.hidden || this.open || this.load(), this.props.every * 1000);
  }
  componentWillUnmount() {
    this.gone = true;
    this.stop?.();
    clearInterval(this.timer);
  }
  load = async () => {
    if (this.props.secret && !token.value) return this.setState({ data: null, error: null });
    const number = this.open = ++this.asked;
    let state;
    try {
      state = { data: await this.props.load(), error: null };
    } catch (error) {
      state = { error };
    }
    if (this.gone || number !== this.asked) return;  // a later request makes this answer worthless
    this.open = 0;
    this.setState(state);
  };
  render() {
    const { data, error } = this.state;
    if (this.props.secret && !token.value) return html`<${TokenForm} what=${this.props.secret} />`;
    return html`<${Trouble} error=${error} />${data ? this.props.view(data, this.load) : error ? null : html`<p class="hint">Loads …</p>`}`;
  }
}

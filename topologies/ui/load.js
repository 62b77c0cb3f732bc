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
  componentDidMount() {
    this.stop = token.subscribe(() => this.load());
    if (this.props.every) this.timer = setInterval(() => document.hidden || this.load(), this.props.every * 1000);
  }
  componentWillUnmount() {
    this.gone = true;
    this.stop?.();
    clearInterval(this.timer);
  }
  load = async () => {
    if (this.props.secret && !token.value) return this.setState({ data: null, error: null });
    try {
      const data = await this.props.load();
      if (!this.gone) this.setState({ data, error: null });
    } catch (error) {
      if (!this.gone) this.setState({ error });
    }
  };
  render() {
    const { data, error } = this.state;
    if (this.props.secret && !token.value) return html`<${TokenForm} what=${this.props.secret} />`;
    return html`<${Trouble} error=${error} />${data ? this.props.view(data, this.load) : error ? null : html`<p class="hint">Loads …</p>`}`;
  }
}

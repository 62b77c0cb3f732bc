// Preact, htm and signals, joined in one place.
import { h, render, Component, createRef } from "./vendor/preact.mjs";
import htm from "./vendor/htm.mjs";
import { signal, computed, effect, batch } from "./vendor/signals-core.mjs";

export { h, render, Component, createRef, signal, computed, effect, batch };

/** Elements by template: html`<p class="a">${text}</p>`. */
export const html = htm.bind(h);

/**
 * A component that is drawn again when a signal changes that its view read.
 * @template P
 * @param {(props: P) => any} view
 */
export function live(view) {
  return class Live extends Component {
    componentWillUnmount() {
      this.stop?.();
    }
    render(props) {
      let drawn;
      let first = true;
      this.stop?.();
      this.stop = effect(() => {
        if (first) drawn = view(props);
        else this.setState({});
        first = false;
      });
      return drawn;
    }
  };
}

/** Joins the class names that hold: classes("node", {busy: true}). */
export function classes(...names) {
  return names
    .flatMap((name) => (typeof name === "string" ? name : Object.keys(name || {}).filter((key) => name[key])))
    .join(" ");
}

// A plot of lines or bars with a table behind it. uPlot draws on a canvas; the table says the same to everyone.
import { html, Component, createRef } from "./live.js";
import { duration } from "./format.js";

/** The value of a colour of style.css. */
const colour = (name) => {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
};

/**
 * @typedef {{name: string, tone: string, values: (number|null)[], filled?: boolean}} Line
 * @extends {Component<{title: string, x: number[], xIsTime?: boolean, xName: string, lines: Line[], show: (v: number) => string, height?: number,
 *   bars?: (bin: number) => string}>} `bars`: a histogram, x counts its bins from 0, and this names them.
 */
export class Plot extends Component {
  place = createRef();
  componentDidMount() {
    this.draw();
    this.observer = new ResizeObserver(() => this.plot?.setSize({ width: this.place.current.clientWidth, height: this.height() }));
    this.observer.observe(this.place.current);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.redraw = () => this.draw();
    this.scheme.addEventListener("change", this.redraw);
    document.addEventListener("themechange", this.redraw);
  }
  componentWillUnmount() {
    this.observer?.disconnect();
    this.scheme?.removeEventListener("change", this.redraw);
    document.removeEventListener("themechange", this.redraw);
    this.plot?.destroy();
  }
  componentDidUpdate() {
    if (this.plot && this.plot.series.length === this.props.lines.length + 1) this.plot.setData(this.data());
    else this.draw();
  }
  height() { return this.props.height || 170; }
  xText(x) { return this.props.bars ? this.props.bars(x) : this.props.xIsTime ? new Date(x * 1000).toTimeString().slice(0, 5) : String(x); }
  data() { return [this.props.x, ...this.props.lines.map((line) => line.values)]; }
  draw() {
    const { lines, show, xIsTime, bars } = this.props;
    this.plot?.destroy();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 0.5 },
      ticks: { stroke: colour("--line"), width: 0.5 } };
    const paths = bars && window.uPlot.paths.bars({ size: [0.9, 100] });
    const scales = bars ? { x: { time: false, range: () => [-0.5, this.props.x.length - 0.5] }, y: { range: (_, low, high) => [0, high * 1.05 || 1] } }
      : { x: { time: !!xIsTime, distr: xIsTime ? 1 : 3, log: 2 } };
    this.plot = new window.uPlot({
      width: this.place.current.clientWidth || 380, height: this.height(), cursor: { drag: { x: false, y: false } },
      legend: { show: false }, scales,
      axes: [{ ...axis, ...(bars && { space: 90, incrs: [1, 2, 5, 10, 20, 50] }), values: (_, at) => at.map((v) => (v == null ? "" : this.xText(v))) },
             { ...axis, size: 64, values: (_, at) => at.map(show) }],
      series: [{}, ...lines.map((line) => ({ label: line.name, stroke: colour(line.tone), width: 2,
        points: { show: !xIsTime && !bars }, ...(bars && { paths, fill: line.filled ? colour(line.tone) : null }) }))],
    }, this.data(), this.place.current);
  }
  render() {
    const { title, lines, x, xName, show, bars } = this.props;
    const last = (line) => line.values.reduce((found, value) => value ?? found, null);
    return html`<figure class="plot"><figcaption>
      ${title}${lines.map((line) => html` <span class="legend"><svg viewBox="0 0 14 8" aria-hidden="true">
        <path d="M0 4h14" style=${{ stroke: `var(${line.tone})` }} /></svg> ${line.name} <b>
          ${bars ? null : last(line) == null ? "–" : show(last(line))}</b></span>`)}</figcaption>
      <div ref=${this.place} class="canvas" aria-hidden="true"></div>
      <details><summary>As a table</summary><div class="scroll short" tabindex="0" role="region" aria-label=${title}><table><thead><tr>
        <th scope="col">${xName}</th>
        ${lines.map((line) => html`<th scope="col" class="number">${line.name}</th>`)}</tr></thead>
        <tbody>${x.map((at, i) => html`<tr><td>${this.xText(at)}</td>
              ${lines.map((line) => html`<td class="number">${line.values[i] == null ? "–" : show(line.values[i])}</td>`)}</tr>`)}</tbody>
                </table></div></details></figure>`;
  }
}

/** What a row costs by the size of a call. @param {{curve: [number, number][], height?: number}} props */
export const Curve = ({ curve, height }) => html`<${Plot} title="Cost of a row by rows per call" height=${height}
  x=${curve.map((each) => each[0])} xName="rows per call" show=${duration}
  lines=${[{ name: "time per row", tone: "--info", values: curve.map((each) => each[1]) }]} />`;

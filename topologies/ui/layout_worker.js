// Places the boxes of a graph, off the main thread.
import { Graph, layout } from "./vendor/dagre.esm.js";

self.onmessage = ({ data }) => {
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 26, ranksep: 78, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of data.nodes) graph.setNode(id, { width: data.width, height: data.height });
  for (const [from, to] of data.edges) graph.setEdge(from, to, {});
  layout(graph);
  const nodes = {};
  for (const id of data.nodes) {
    const { x, y } = graph.node(id);
    nodes[id] = { x: x - data.width / 2, y: y - data.height / 2 };
  }
  const edges = data.edges.map(([from, to]) => ({ from, to, points: graph.edge(from, to).points }));
  const { width, height } = graph.graph();
  self.postMessage({ key: data.key, nodes, edges, width, height });
};

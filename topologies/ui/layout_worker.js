// Places the boxes of a graph, off the main thread.
import { Graph, layout } from "./vendor/dagre.esm.js";

function place({ nodes, edges, width, height }) {
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", ranker: "tight-tree", nodesep: 26, ranksep: 78, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of nodes) graph.setNode(id, { width, height });
  for (const [from, to] of edges) graph.setEdge(from, to, {});
  layout(graph);
  return graph;
}

self.onmessage = ({ data }) => {
  const graph = place(data);
  const nodes = {};
  for (const id of data.nodes) {
    const { x, y } = graph.node(id);
    nodes[id] = { x: x - data.width / 2, y: y - data.height / 2 };
  }
  const edges = data.edges.map(([from, to]) => ({ from, to, points: graph.edge(from, to).points }));
  const { width, height } = graph.graph();
  self.postMessage({ key: data.key, nodes, edges, width, height });
};

// A first layout takes three times as long as a second one, because its code is not compiled yet. The page waits for its
// data at this time, so a small graph is laid out and forgotten.
place({ nodes: ["a", "b", "c", "d", "e", "f"], edges: [["a", "b"], ["a", "c"], ["b", "d"], ["c", "d"], ["a", "d"], ["d", "e"], ["c", "f"]],
    width: 9, height: 9 });

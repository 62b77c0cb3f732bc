// The shape of a topology: which boxes and edges a graph has, and where they are. Laid out once per shape.
import { signal, computed } from "./live.js";
import { topology } from "./store.js";

export const BOX = { width: 188, height: 74 };
/** Above this many stages, groups start closed. */
const MANY = 150;

/** Groups that the user opened, by name. */
export const opened = signal(new Set());

/** The group of a stage in a large topology. */
const groupOf = (stage) => stage.kind;

/**
 * Boxes in topological order, each with the stages that it stands for.
 * @returns {{boxes: {id: string, stages: string[], kind: string, group: boolean}[], edges: [string, string][], key: string}}
 */
export const shape = computed(() => {
  const stages = topology.value?.stages || [];
  const closed = (stage) => stages.length > MANY && !opened.value.has(groupOf(stage));
  const boxes = new Map();
  const boxOf = new Map();
  for (const stage of ordered(stages)) {
    const id = closed(stage) ? `group ${groupOf(stage)}` : stage.id;
    boxOf.set(stage.id, id);
    const box = boxes.get(id) || { id, stages: [], kind: stage.kind, group: closed(stage), name: groupOf(stage) };
    box.stages.push(stage.id);
    boxes.set(id, box);
  }
  const edges = new Map();
  for (const stage of stages) {
    for (const input of stage.inputs) {
      const from = boxOf.get(input), to = boxOf.get(stage.id);
      if (from && to && from !== to) edges.set(`${from}\n${to}`, [from, to]);
    }
  }
  return { boxes: [...boxes.values()], edges: [...edges.values()], key: [...boxes.keys(), ...edges.keys()].join("\t") };
});

/** Stages with their inputs before them. */
function ordered(stages) {
  const byId = new Map(stages.map((stage) => [stage.id, stage]));
  const done = new Set(), order = [];
  const visit = (stage) => {
    if (!stage || done.has(stage.id)) return;
    done.add(stage.id);
    stage.inputs.forEach((input) => visit(byId.get(input)));
    order.push(stage);
  };
  stages.forEach(visit);
  return order;
}

/** The places of the boxes of the present shape; null until they are known. */
export const layout = signal(null);
const known = new Map();
const worker = new Worker(new URL("./layout_worker.js", import.meta.url), { type: "module" });
worker.onmessage = ({ data }) => {
  if (known.size > 20) known.clear();
  known.set(data.key, data);
  if (data.key === shape.value.key) layout.value = data;
};
let asked = "";
shape.subscribe(({ boxes, edges, key }) => {
  if (!boxes.length) return;
  if (known.has(key)) layout.value = known.get(key);
  else if (asked !== key) worker.postMessage({ key, nodes: boxes.map((box) => box.id), edges, ...BOX });
  asked = key;
});

// Where the user is: #/runs, #/graph/gbt. An address can be sent to a colleague.
import { signal, computed } from "./live.js";

export const PAGES = ["graph", "runs", "restart", "letters", "models", "positions", "audit"];

/** A part of the address; as it is where it is no encoded text. */
export function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}
const parse = () => location.hash.replace(/^#\/?/, "").split("/").map(decoded);
const parts = signal(parse());
addEventListener("hashchange", () => (parts.value = parse()));

export const page = computed(() => (PAGES.includes(parts.value[0]) ? parts.value[0] : "graph"));
/** The second part: a stage, a run, a letter. */
export const item = computed(() => parts.value[1] || "");
/** The stage whose panel is open. */
export const selected = computed(() => (page.value === "graph" ? item.value : ""));

/** Goes to a page, or opens a stage; `node: ""` closes it. */
export function go(to) {
  const path = to.node !== undefined ? ["graph", to.node] : [to.page || "graph", to.item || ""];
  location.hash = "#/" + path.filter(Boolean).map(encodeURIComponent).join("/");
}

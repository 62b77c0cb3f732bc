// What the page knows, and how it learns it: one request per second, and nothing while nobody looks.
import { signal, computed, batch } from "./live.js";

/** What the server answered last; docs/reference/api.md describes it. */
export const snapshot = signal(null);
export const topology = signal(null);
/** Whether the server answers: since when it does not, in ms. */
export const lostSince = signal((null));
export const pipelines = signal((null));
export const pipelineId = signal((null));
/** Why the last request for live numbers failed although the server answers. */
export const trouble = signal((null));

/** Why a stage stopped. The message itself may quote a record, so it needs the token. */
export const causeOf = (failure) => failure.message || failure.explanation;

/** Failures that the live region announces: nothing else is. */
export const announcement = computed(() => {
  const now = snapshot.value;
  if (lostSince.value) return "The process does not answer.";
  return now?.failure ? `Stage ${now.failure.stage} stopped: ${causeOf(now.failure)}` : "";
});

// ------------------------------------------------------------------ the token
// It comes in the address (#t=…), stays in this tab, and travels in a header. There is no cookie, so no other site can
// make this browser send it.
const TOKEN = "anabranch-token";
export const token = signal("");
/** Why the server refused the last token; null once another one is given. */
export const refusal = signal((null));

export function takeToken() {
  const found = /[#&]t=([^&]+)/.exec(location.hash);
  if (found) {
    setToken(decodeURIComponent(found[1]));
    history.replaceState(null, "", location.pathname + location.search + "#/");
  } else {
    try { token.value = sessionStorage.getItem(TOKEN) || ""; } catch { token.value = ""; }
  }
}
export function setToken(value) {
  token.value = value.trim();
  if (token.value) refusal.value = null;
  try { sessionStorage.setItem(TOKEN, token.value); } catch { /* this tab forgets it with the page */ }
}

// ------------------------------------------------------------------ requests
export class ApiError extends Error {
  constructor(status, body) {
    const error = body?.error || {};
    super(error.message || `the server answered ${status}`);
    this.status = status;
    this.word = error.code || "";
    this.cure = error.cure || "";
  }
}

/** The path of the API for the chosen pipeline. */
export const base = () => (pipelineId.value && pipelineId.value !== "self" ? `api/v1/pipelines/${encodeURIComponent(pipelineId.value)}/` : "api/v1/");

/**
 * @param {string} path @param {{method?: string, body?: any, of?: string}} [options]
 * @returns {Promise<any>}
 */
export async function api(path, options = {}) {
  const headers = {};
  const given = token.value;
  if (given) headers["X-Anabranch-Token"] = given;
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch((options.of ?? base()) + path, {
    method: options.method || (options.body === undefined ? "GET" : "POST"),
    headers, body: options.body === undefined ? undefined : JSON.stringify(options.body),
    cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(10000),
  });
  const text = await answer.text();
  let body = null;
  try { body = text ? JSON.parse(text) : null; } catch { /* not an answer of ours */ }
  if (answer.ok) return body;
  const error = new ApiError(answer.status, body);
  if (answer.status === 401 && given && given === token.value) {  // it may be that of a process before this one
    refusal.value = error;
    setToken("");
  }
  error.ofAnotherToken = given !== token.value;
  throw error;
}

/** "a=1&b=2" of what is set. */
export const query = (values) =>
  Object.entries(values).filter(([, value]) => value !== "" && value != null)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");

// ------------------------------------------------------------------ live numbers
/** Fetches the live numbers once; the topology only where it is another one. */
export async function refresh() {
  try {
    const known = topology.value;
    const [next, first] = await Promise.all([api("snapshot"), known || api("topology")]);
    const fresh = first.hash === next.hash ? first : await api("topology");
    batch(() => {
      topology.value = fresh;
      snapshot.value = next;
      lostSince.value = null;
      trouble.value = null;
    });
  } catch (error) {
    if (error instanceof ApiError) {
      refused(error);
    } else {
      lostSince.value ??= Date.now();
    }
  }
}

function refused(error) {
  batch(() => {
    lostSince.value = null;
    trouble.value = error.ofAnotherToken ? null : error;  // the next request has the present one
  });
}

let timer = 0;
let running = false;
async function loop() {
  if (running || document.hidden) return;
  running = true;
  const began = performance.now();
  await refresh();
  running = false;
  clearTimeout(timer);
  timer = setTimeout(loop, Math.max(200, 1000 - (performance.now() - began)));
}

export function start() {
  takeToken();
  addEventListener("hashchange", () => /[#&]t=/.test(location.hash) && takeToken());
  document.addEventListener("visibilitychange", loop);
  token.subscribe(() => pipelineId.value || learn());
}

/** Which pipelines there are; asked for again when there is another token. */
async function learn() {
  try {
    const known = (await api("pipelines", { of: "api/v1/" })).pipelines;
    batch(() => {
      pipelines.value = known;
      trouble.value = null;
      if (known.length === 1) pipelineId.value = known[0].id;
    });
    if (pipelineId.value) loop();
  } catch (error) {
    if (error instanceof ApiError) return refused(error);
    lostSince.value ??= Date.now();
    setTimeout(learn, 1000);
  }
}

/** For tests, which count what an update changes: ends the loop. */
export function stopLoop() {
  clearTimeout(timer);
  running = true;
}

export function choosePipeline(id) {
  batch(() => {
    pipelineId.value = id;
    snapshot.value = topology.value = trouble.value = null;
  });
  if (id) loop();
}

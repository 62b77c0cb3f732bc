// What the page knows, and how it learns it: one request per second, and nothing while nobody looks.
import { signal, computed, batch } from "./live.js";
import { decoded } from "./route.js";

/** What the server answered last. */
export const snapshot = signal(null);
export const topology = signal(null);
/** Whether the server answers: since when it does not, in ms. */
export const lostSince = signal(null);
export const pipelines = signal(null);
export const pipelineId = signal(null);
/** Why the last request for live numbers failed although the server answers. */
export const trouble = signal(null);

/** Why a stage stopped. The message itself may quote a record, so it needs the token. */
export const causeOf = (failure) => failure.message || failure.explanation;

/** Failures that the live region announces: nothing else is. */
export const announcement = computed(() => {
  const now = snapshot.value;
  if (lostSince.value) return "The process does not answer.";
  return now?.failure ? `Stage ${now.failure.stage} stopped: ${causeOf(now.failure)}` : "";
});

// --- the token
// It comes in the address (#t=…), stays in this tab, and travels in a header. There is no cookie, so no other site can
// make this browser send it.
const TOKEN = "anabranch-token";
export const token = signal("");
/** Why the server refused the last token; null once another one is given. */
export const refusal = signal(null);

export function takeToken() {
  const found = /[#&]t=([^&]+)/.exec(location.hash);
  if (found) {
    setToken(decoded(found[1]));
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

// --- requests
export class ApiError extends Error {
  constructor(status, body) {
    const error = body?.error || {};
    super(error.message || `the server answered ${status}`);
    this.status = status;
    this.word = error.code || "";
    this.cure = error.cure || "";
  }
}

/** The server did not answer, or not in time. */
class NoAnswer extends Error {
  constructor(message, cure) {
    super(message);
    this.cure = cure;
  }
}

/** Seconds to wait for an answer. Dead letters are read from where they are, which takes the server up to 30 s. */
const patience = (path) => (/^(letters|restart)/.test(path) ? 45 : 10);

/** [status, text] of an answer. */
async function ask(url, request, seconds) {
  try {
    const answer = await fetch(url, { ...request, signal: AbortSignal.timeout(seconds * 1000) });
    return [answer.status, await answer.text()];
  } catch (error) {
    const carriedOut = request.method === "POST" ? "It may be carried out all the same: look at the audit before you order it again." : "";
    if (error.name === "TimeoutError") throw new NoAnswer(`The server has not answered within ${seconds} s.`, carriedOut
      || "Ask again when it is less busy.");
    throw new NoAnswer("The server does not answer.", carriedOut || "Is the process there?");
  }
}

/** The path of the API for the chosen pipeline. */
export const base = () => (pipelineId.value && pipelineId.value !== "self" ? `api/v1/pipelines/${encodeURIComponent(pipelineId.value)}/`
    : "api/v1/");

/**
 * @param {string} path @param {{method?: string, body?: any, of?: string}} [options]
 * @returns {Promise<any>}
 */
export async function api(path, options = {}) {
  const headers = {};
  const given = token.value;
  if (given) headers["X-Anabranch-Token"] = given;
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const method = options.method || (options.body === undefined ? "GET" : "POST");
  const [status, text] = await ask((options.of ?? base()) + path, {
    method, headers, body: options.body === undefined ? undefined : JSON.stringify(options.body),
    cache: "no-store", credentials: "omit",
  }, patience(path));
  let body = null;
  try { body = text ? JSON.parse(text) : null; } catch { /* not an answer of ours */ }
  if (status < 300) return body;
  const error = new ApiError(status, body);
  if (status === 401 && given && given === token.value) {  // it may be that of a process before this one
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

// --- live numbers
/** Fetches the live numbers once; the topology only where it is another one. */
export async function refresh() {
  const id = pipelineId.value;
  try {
    const known = topology.value;
    const [next, first] = await Promise.all([api("snapshot"), known || api("topology")]);
    const fresh = first.hash === next.hash || id !== pipelineId.value ? first : await api("topology");
    if (id !== pipelineId.value) return;  // the user chose another one meanwhile
    batch(() => {
      topology.value = fresh;
      snapshot.value = next;
      lostSince.value = null;
      trouble.value = null;
    });
  } catch (error) {
    if (id === pipelineId.value) failed(error);
  }
}

/** Fetches the list of pipelines. The only one is chosen, until the user asks for the list. */
async function learn() {
  try {
    const known = (await api("pipelines", { of: "api/v1/" })).pipelines;
    batch(() => {
      if (!pipelines.value && known.length === 1) {
        pipelineId.value = known[0].id;
        again = true;
      }
      pipelines.value = known;
      lostSince.value = null;
      trouble.value = null;
    });
  } catch (error) {
    failed(error);
  }
}

function failed(error) {
  if (!(error instanceof ApiError)) return void (lostSince.value ??= Date.now());
  batch(() => {
    lostSince.value = null;
    trouble.value = error.ofAnotherToken ? null : error;  // the next request has the present one
  });
}

// The live numbers once a second, or the list of pipelines every two, and nothing while nobody looks.
let timer = 0;
let running = false, again = false;
async function loop() {
  if (running || document.hidden) return;
  running = true;
  again = false;
  clearTimeout(timer);
  const began = performance.now();
  await (pipelineId.value ? refresh() : learn());
  running = false;
  const pause = pipelineId.value || lostSince.value ? 1000 : 2000;
  timer = setTimeout(loop, again ? 0 : Math.max(200, pause - (performance.now() - began)));
}
/** Asks now, also where a request is under way. */
function askNow() {
  again = true;
  loop();
}

export function start() {
  takeToken();
  addEventListener("hashchange", () => /[#&]t=/.test(location.hash) && takeToken());
  document.addEventListener("visibilitychange", loop);
  token.subscribe(() => pipelineId.value || askNow());
}

/** For tests, which count what an update changes: ends the loop. */
export function stopLoop() {
  clearTimeout(timer);
  running = true;
}

/** Opens a pipeline; null: the list of all. */
export function choosePipeline(id) {
  batch(() => {
    pipelineId.value = id;
    snapshot.value = topology.value = trouble.value = null;
  });
  askNow();
}

// The answers of the API, as far as the page reads them; for the type checker.
/**
 * @typedef {{p50: number|null, p99: number|null}} Percentiles
 * @typedef {{state: string, rows_in: number, rows_out: number, filtered: number, skipped: number, failed: number, missed: number,
 *   defaulted: number, dead_lettered: number, retried: number, rate: number, busy: number, level: string, batch_rows: Percentiles|null,
 *   batch_seconds: Percentiles|null, call_rows: Percentiles|null, call_seconds: Percentiles|null, codes: Record<string, number>}} Stage
 * @typedef {{topology: string, hash: string, version: string, state: string, since: string, started: string, now: string,
 *   restarts: number, ready: boolean, reasons: {part: string, why: string}[],
 *   verdict: {kind: string, by: string, text: string, advice: string}, rate: {read: number, committed: number},
 *   lag: {records: number|null, seconds: number|null}, latency: Percentiles|null, last_commit: string|null, failure: any,
 *   stages: Record<string, any>, lanes: {lane: number, source: string, shares: {state: string, by: string, share: number}[]}[],
 *   sources: Record<string, any>, targets: Record<string, any>, kept: any, epochs: any, warnings: any[]}} Snapshot
 * @typedef {{name: string, hash: string, file: string, delivery: string, description: string, stages: any[], dead_letters: any}} Topology
 */
export {};

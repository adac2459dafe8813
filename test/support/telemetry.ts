/** A telemetry that a test looks into. */
import {
  type Done,
  type Ending,
  type GaugeSources,
  NO_TELEMETRY,
  type Operation,
  type Telemetry,
} from "../../src/telemetry/telemetry.ts";
import type { TraceContext } from "../../src/telemetry/trace-context.ts";

/** Keeps what it is told. */
export class RecordedTelemetry implements Telemetry {
  /** Operations that have ended, and how. */
  readonly runs: (Omit<Operation<never>, "ended"> & { readonly ending: Ending })[] = [];
  readonly notes: Done[] = [];
  /** What every call takes along. */
  trace: TraceContext | undefined;
  async run<Result>(
    { ended, ...operation }: Operation<Result>,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const result = await work();
    this.runs.push({ ...operation, ending: ended?.(result) ?? { outcome: "ok" } });
    return result;
  }

  note(done: Done): void {
    this.notes.push(done);
  }

  observe(sources: () => GaugeSources): () => void {
    return NO_TELEMETRY.observe(sources);
  }

  outgoing(): TraceContext | undefined {
    return this.trace;
  }
}

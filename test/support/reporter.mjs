/**
 * The Spec reporter, closed by one plain line of counts.
 *
 * A test that leaves a server, a timer or a program running would keep the process for ever, and
 * whoever waits for it would hear nothing: past {@link PATIENCE_MS} this says what is still alive,
 * and ends with a failure.
 */
import process from "node:process";
import { setTimeout } from "node:timers";

import Mocha from "mocha";

const PATIENCE_MS = 10_000;

const { Spec } = Mocha.reporters;

export default class Reporter extends Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once("end", () => {
      const { passes, failures, pending } = this.stats;
      console.log(
        `${passes} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ""}`,
      );
      setTimeout(() => {
        console.error("The tests are over, but something that one of them began is still alive:");
        for (const line of stillAlive()) console.error(`  ${line}`);
        process.exit(1);
      }, PATIENCE_MS).unref();
    });
  }
}

/** What keeps this process alive, one line each. */
function stillAlive() {
  const handles = process._getActiveHandles().filter((one) => !one.isTTY && one.fd === undefined);
  return [
    ...handles.map((one) => {
      const kind = one.constructor.name;
      if (one.spawnargs !== undefined) return `${kind} ${one.pid}: ${one.spawnargs.join(" ")}`;
      if (one.remotePort !== undefined) return `${kind} ${one.localPort} to ${one.remotePort}`;
      return typeof one.address === "function" ? `${kind} ${JSON.stringify(one.address())}` : kind;
    }),
    process.getActiveResourcesInfo().join(", "),
  ];
}

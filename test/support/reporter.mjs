/** The Spec reporter, closed by one plain line of counts and a line for each thing left out. */
import Mocha from "mocha";

const { Spec } = Mocha.reporters;

export default class Reporter extends Spec {
  constructor(runner, options) {
    super(runner, options);
    const leftOut = new Set();
    runner.on("pending", (test) => {
      for (let suite = test.parent; suite; suite = suite.parent) {
        if (suite.leftOut !== undefined) leftOut.add(suite.leftOut);
      }
    });
    runner.once("end", () => {
      const { passes, failures, pending } = this.stats;
      for (const reason of leftOut) console.log(reason);
      console.log(
        `${passes} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ""}`,
      );
    });
  }
}

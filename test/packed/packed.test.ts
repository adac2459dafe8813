import assert from "node:assert/strict";
import { posix } from "node:path";
import { leaveOut } from "../support/left-out.ts";
import { Elsewhere } from "./elsewhere.ts";
import { SERVERS } from "./servers.ts";
import { Workshop } from "./workshop.ts";

/** Those that are quick, of what `npm run try` does. */
const QUICK = ["express-4", "commonjs"];

describe("the packed tarball", function () {
  this.timeout(300_000);
  let workshop: Workshop;
  before(async () => {
    workshop = await Workshop.open();
  });
  after(() => workshop.close());

  it("has no page that points to what it does not have", async () => {
    const project = await workshop.project("unpacked", {});
    await project.run("tar", "-xzf", workshop.tarball);
    const listed = await project.run("tar", "-tzf", workshop.tarball);
    const files = listed
      .trim()
      .split("\n")
      .map((file) => file.replace(/^package\//u, ""));
    const pages = files.filter((file) => file.endsWith(".md"));
    assert.ok(pages.includes("README.md") && pages.includes("docs/installing.md"));
    for (const page of pages) {
      const text = await project.read(`package/${page}`);
      for (const [, target = ""] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/gu)) {
        const file = posix.join(posix.dirname(page), target).replace(/\/$/u, "");
        assert.ok(
          files.some((each) => each === file || each.startsWith(`${file}/`)),
          `${page} points to ${target}`,
        );
      }
    }
  });

  describe("in a fresh project, federated as documented", () => {
    let elsewhere: Elsewhere;
    before(async function () {
      try {
        elsewhere = await Elsewhere.make(workshop);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        if (process.env["CI"] !== undefined || !/ENOTFOUND|EAI_AGAIN|ECONNREFUSED/u.test(why)) {
          throw cause;
        }
        leaveOut(this, "tries of the packed tarball, for want of npm's registry");
      }
    });
    afterEach(() => workshop.stopAll());

    for (const name of QUICK) {
      it(`${name}: a player crosses from it and into it, and back`, () =>
        SERVERS[name]!({ workshop, elsewhere }));
    }
  });
});

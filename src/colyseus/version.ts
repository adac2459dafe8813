/**
 * Which Colyseus this package runs on; imported ahead of all that would fail without a plain word.
 *
 * A module that names what another does not export fails before anything has run. So what older versions
 * of Colyseus lack is taken from a namespace, wherever it is used in this folder.
 */
import { createRequire } from "node:module";
import * as core from "@colyseus/core";
import { nodeProblem } from "../node-version.ts";

const problem = nodeProblem(process.versions.node) ?? colyseusProblem();
if (problem !== undefined) throw new Error(problem);

/** Looks for what is needed, since a bundle has no version to ask for. */
function colyseusProblem(): string | undefined {
  if ("RoomPlugin" in core) return undefined;
  return `aether-federation needs Colyseus 0.18, and this is @colyseus/core ${coreVersion()}: npm install colyseus@0.18 @colyseus/schema@5, and each further "@colyseus/…" package at 0.18.`;
}

function coreVersion(): string {
  try {
    const found: unknown = createRequire(import.meta.url)("@colyseus/core/package.json");
    return (found as { version: string }).version;
  } catch {
    return "of another version";
  }
}

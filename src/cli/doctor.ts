/**
 * `doctor <origin>`, `doctor --all`: examines links and says what is wrong with each, and who mends it by what. Where the
 * server of this folder or store runs, it makes the examination; else it is made here, with its key.
 */
import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { Finding } from "../doctor/findings.ts";
import { checkLink } from "../doctor/link-check.ts";
import type { OwnSide } from "../doctor/parts.ts";
import { askForLinkCheck } from "../doctor/wishes.ts";
import { createGuardedFetch } from "../http/outbound/outbound-guard.ts";
import { createUpgradeProbe } from "../http/outbound/upgrade-probe.ts";
import { normalizeOrigin } from "../identity/origin.ts";
import { systemClock, systemRandom } from "../ports.ts";
import { TrustState } from "../registry/federated-server.ts";
import { readPulse } from "../runtime/pulse.ts";
import { storeIdentity } from "../runtime/store-identity.ts";
import { loadKeyRing } from "../storage/key-file.ts";
import type { Deployment } from "./deployment.ts";
import { CommandError, type CommandResult, EXIT } from "./output.ts";
import { SIGN, columns, wrapped } from "./terminal.ts";

/** One link, examined. */
export interface Examined {
  readonly origin: string;
  readonly healthy: boolean;
  readonly findings: readonly Finding[];
}

/** Links examined at once. */
const AT_ONCE = 8;
const INDENT = "    ";

/** Examines one server. Exit code 1 when anything is wrong; `deployment` undefined: as a stranger sees it. */
export async function diagnose(
  target: string,
  flags: { readonly allowInsecure: boolean },
  deployment?: Deployment,
): Promise<CommandResult> {
  const own = deployment === undefined ? undefined : await ownServer(deployment);
  const allowInsecure = flags.allowInsecure || own?.origin.startsWith("http:") === true;
  let origin: string;
  try {
    origin = normalizeOrigin(target, { allowInsecure });
  } catch (cause) {
    throw new CommandError(cause instanceof Error ? cause.message : "no origin", EXIT.usage);
  }
  const [examined] = await examine([origin], allowInsecure, deployment, own);
  const { findings = [], healthy = false } = examined ?? {};
  return {
    text: [
      ...findingLines(findings, columns()),
      "",
      healthy ? `${origin} is well.` : `${origin} needs attention.`,
    ].join("\n"),
    json: { origin, healthy, findings },
    exitCode: healthy ? EXIT.ok : EXIT.failed,
  };
}

/** Examines the link to every trusted peer, and to every one that the configuration names; the worst stand last. */
export async function diagnoseAll(
  deployment: Deployment,
  flags: { readonly allowInsecure: boolean },
): Promise<CommandResult> {
  const { registry } = deployment;
  const own = await ownServer(deployment);
  const trusted = registry.list({ trust: TrustState.Trusted }).map(({ origin }) => origin);
  const origins = [...new Set([...trusted, ...(own?.named ?? [])])].sort();
  const allowInsecure = flags.allowInsecure || own?.origin.startsWith("http:") === true;
  const examined = await examine(origins, allowInsecure, deployment, own);
  const ordered = examined.toSorted((one, other) => wrongIn(one) - wrongIn(other));
  const broken = ordered.filter(({ healthy }) => !healthy).length;
  const healthy = broken === 0;
  return {
    text: [
      ...ordered.flatMap(({ origin, findings, ...each }) =>
        each.healthy
          ? [`${SIGN.well} ${origin} is well`]
          : [
              `${SIGN.bad} ${origin} needs attention`,
              ...findingLines(
                findings.filter(({ ok }) => !ok),
                columns() - INDENT.length,
              ).map((line) => INDENT + line.replaceAll("\n", `\n${INDENT}`)),
            ],
      ),
      ...(ordered.length === 0 ? [] : [""]),
      ordered.length === 0
        ? "No peer is trusted or named: there is no link to examine."
        : healthy
          ? `all ${ordered.length} links are well.`
          : `${broken} of ${ordered.length} links need attention.`,
    ].join("\n"),
    json: { healthy, peers: ordered },
    exitCode: healthy ? EXIT.ok : EXIT.failed,
  };
}

interface OwnServer {
  readonly origin: string;
  readonly isRunning: boolean;
  readonly named: readonly string[];
}

async function ownServer({ store }: Deployment): Promise<OwnServer | undefined> {
  const identity = await storeIdentity(store);
  if (identity === undefined) return undefined;
  const pulse = await readPulse(store, systemClock.now());
  const { isRunning = false, named = [] } = pulse ?? {};
  return { origin: identity.origin, isRunning, named };
}

async function examine(
  origins: readonly string[],
  allowInsecure: boolean,
  deployment: Deployment | undefined,
  own: OwnServer | undefined,
): Promise<Examined[]> {
  const guard = { allowInsecure, allowPrivateNetwork: allowInsecure };
  const fetch = createGuardedFetch(guard);
  const probeUpgrade = createUpgradeProbe(guard);
  const ports = { clock: systemClock, random: systemRandom };
  const ourSide =
    deployment === undefined || own === undefined ? undefined : await ownSide(deployment, own);
  const look = async (origin: string): Promise<Examined> => {
    const asked =
      deployment !== undefined && own?.isRunning === true
        ? await askForLinkCheck(origin, { store: deployment.store, ...ports, pause })
        : undefined;
    const findings = asked ?? [
      ...toldOfServer(deployment, own),
      ...(await checkLink(origin, { fetch, probeUpgrade, ...ports, allowInsecure, own: ourSide })),
    ];
    return { origin, findings, healthy: findings.every(({ ok }) => ok) };
  };
  try {
    const waiting = origins.entries();
    const examined: Examined[] = [];
    const turns = Array.from({ length: AT_ONCE }, async () => {
      for (const [index, origin] of waiting) examined[index] = await look(origin);
    });
    await Promise.all(turns);
    return examined;
  } finally {
    await fetch.close();
  }
}

/** Why the server itself has not made the examination. */
function toldOfServer(
  deployment: Deployment | undefined,
  own: OwnServer | undefined,
): readonly Finding[] {
  if (deployment === undefined || own === undefined) return [];
  return [
    own.isRunning
      ? {
          check: "this server",
          ok: false,
          detail:
            "it seems to run and does not take wishes: has it been killed in the last minutes, or does it hang? Looked at from here, with its key",
        }
      : {
          check: "this server",
          ok: true,
          detail: "it does not run: looked at from here, with its key",
        },
  ];
}

/** This server, as whoever has its folder can speak for it; undefined: its key is not here. */
async function ownSide(
  { keyPath, registry }: Deployment,
  { origin, named }: OwnServer,
): Promise<OwnSide | undefined> {
  const ring = existsSync(keyPath) ? await loadKeyRing(keyPath) : undefined;
  if (ring === undefined) return undefined;
  return {
    ...{ origin, registry, signingKey: () => ring.current },
    isNamed: (peer) => named.includes(peer),
    connect: undefined,
  };
}

function wrongIn({ findings }: Examined): number {
  return findings.filter(({ ok }) => !ok).length;
}

/** A line for each, and below it the command that mends it, in one piece. */
function findingLines(findings: readonly Finding[], most: number): string[] {
  const wide = Math.max(0, ...findings.map(({ check }) => check.length));
  const indent = " ".repeat(5 + wide + 2);
  return findings.flatMap(({ check, ok, detail, mend }) => [
    wrapped(`${ok ? "ok " : "FIX"}  ${check.padEnd(wide)}  ${detail}`, most, indent),
    ...(mend === undefined
      ? []
      : [`${indent}> ${mend.where === "there" ? "its operator runs: " : ""}${mend.command}`]),
  ]);
}

/** `peers approve|block|unblock|remove|retry`. */
import { normalizeOrigin } from "../identity/origin.ts";
import { approvalOffer, approvePeer } from "../operator/peers.ts";
import type { BlockOutcome } from "../registry/blocking.ts";
import {
  ALL_ROLES,
  type FederatedServer,
  type TrustRoles,
  TrustState,
} from "../registry/federated-server.ts";
import { RETRY_PREFIX } from "../runtime/data-folder.ts";
import type { Deployment } from "./deployment.ts";
import { CommandError, type CommandResult, EXIT, table } from "./output.ts";

/** Carries out one decision about one peer. */
export async function decidePeer(
  deployment: Deployment,
  verb: "approve" | "block" | "unblock" | "remove" | "retry",
  named: string,
  roles: TrustRoles,
  kids?: readonly string[],
): Promise<CommandResult> {
  const { registry, store } = deployment;
  deployment.mayDecide();
  if (verb === "block" || verb === "unblock") return decideBlock(deployment, verb, named);
  const subject = originNamed(named);
  const known = registry.get(subject);
  const left = registry.leftBehind(subject) !== undefined;
  const damaged = (left || registry.isDamaged(subject)) && verb === "remove";
  if (verb === "approve" && registry.doubtedMove(subject) !== undefined) {
    return approveMove(deployment, subject, kids);
  }
  const needsKnown = !damaged && (verb === "approve" || verb === "remove" || verb === "retry");
  if (needsKnown && known === undefined) {
    throw new CommandError(`no peer ${subject} is known: see peers list`);
  }
  switch (verb) {
    case "approve":
      if (known?.trust !== TrustState.Trusted && kids === undefined) {
        if (known?.trust !== TrustState.Blocked) return offered(registry, subject);
      }
      try {
        await approvePeer(registry, subject, { roles, kids });
      } catch (cause) {
        throw new CommandError(cause instanceof Error ? cause.message : "it cannot be approved");
      }
      break;
    case "remove":
      await registry.remove(subject);
      break;
    case "retry":
      await store.set(RETRY_PREFIX + subject, "1", 60_000);
      break;
  }
  const now = registry.get(subject);
  await deployment.audit(verb, subject, { trust: now?.trust });
  return { text: sentence(verb, subject, now), json: { verb, subject, trust: now?.trust ?? null } };
}

/** Lets a server that is known move, though its old origin does not say so; without a key, shows what that is. */
async function approveMove(
  deployment: Deployment,
  to: string,
  kids: readonly string[] | undefined,
): Promise<CommandResult> {
  const { registry } = deployment;
  const server = registry.doubtedMove(to);
  const { origin = "", moving } = server ?? {};
  const kid = moving?.kid ?? "";
  if (kids === undefined) {
    return {
      text: `${origin} is said to have moved to ${to}, by the key ${kid}.\n\nNothing is approved yet. Who is there gets its trust and its players. Ask its operator, by another way, whether it has moved and which key is right:\n  aether-federation peers approve ${to} --key ${kid}`,
      json: { verb: "approve", subject: to, approved: false, movedFrom: origin, key: kid },
      exitCode: EXIT.failed,
    };
  }
  try {
    await registry.approveMove(to, kids);
  } catch (cause) {
    throw new CommandError(cause instanceof Error ? cause.message : "it cannot be approved");
  }
  await deployment.audit("approve", to);
  return {
    text: `${origin} may move to ${to}: it is followed when it is next heard of (peers retry ${origin} asks at once).`,
    json: { verb: "approve", subject: to, approved: true, movedFrom: origin, key: kid },
  };
}

/** Blocks or unblocks, and says whom that concerns. */
async function decideBlock(
  deployment: Deployment,
  verb: "block" | "unblock",
  named: string,
): Promise<CommandResult> {
  const { registry } = deployment;
  let outcome: BlockOutcome;
  try {
    outcome = await registry[verb](named);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    const notBlocked = verb === "unblock" && cause.message.endsWith("is not blocked");
    throw new CommandError(cause.message, notBlocked ? EXIT.failed : EXIT.usage);
  }
  const { entry, matched, spared } = outcome;
  const trust = registry.get(entry)?.trust;
  await deployment.audit(verb, entry, { trust, matched });
  const lines =
    verb === "block" ? blockLines(outcome) : unblockLines(outcome, registry.blockedBy(entry));
  return {
    text: lines.join("\n"),
    json: { verb, subject: entry, trust: trust ?? null, matched, spared },
  };
}

function blockLines({ entry, matched, spared }: BlockOutcome): string[] {
  const exception = entry.startsWith("!");
  const whom = matched.length === 0 ? "no server that is known" : matched.join(", ");
  return [
    exception
      ? `${entry.slice(1)} is excepted from blocked domains. It concerns ${whom}.`
      : `${entry} is blocked. It matches ${whom}${matched.length === 0 ? "" : ", with every key they are known by"}.`,
    ...spared.map(
      (origin) =>
        `${origin} is trusted and known by one of the same keys: it is not blocked. If it is the same server, block it, too.`,
    ),
  ];
}

function unblockLines({ entry, matched }: BlockOutcome, by: readonly string[]): string[] {
  const exception = entry.startsWith("!");
  return [
    exception
      ? `${entry.slice(1)} is no exception any more.`
      : `${entry} is not blocked by this entry any more.`,
    matched.length === 0
      ? "No known server is freed by that."
      : `Pending from now on: ${matched.join(", ")}.`,
    ...(by.length === 0 ? [] : [`${entry} is still blocked by ${by.join(", ")}.`]),
  ];
}

/** An origin as it is stored, whatever way it is written; something else as it is. */
function originNamed(text: string): string {
  try {
    return normalizeOrigin(text, { allowInsecure: true });
  } catch {
    return text;
  }
}

function sentence(verb: string, subject: string, now: FederatedServer | undefined): string {
  switch (verb) {
    case "approve":
      return `${subject} is trusted (${now === undefined ? "" : rolesText(now)}), by the key ${activeKeys(now)}. A running server knows within a second.`;
    case "remove":
      return `${subject} is forgotten: it would be met as a stranger.`;
    default:
      return `A running server shakes hands with ${subject} within a second; see peers list.`;
  }
}

/** What an approval would pin, for the operator to look at: nothing is done without a key named. */
function offered(registry: Deployment["registry"], subject: string): CommandResult {
  const offer = approvalOffer(registry, subject);
  if (offer === undefined) throw new CommandError(`no peer ${subject} is known: see peers list`);
  const { keys, signedBy, recovery, endpoint } = offer;
  const rows = [
    ...keys.map((kid) => ["key", kid, kid === signedBy ? "signed its descriptor" : ""]),
    ["recovery key", recovery ?? "none", recovery === undefined ? "" : "can replace all keys"],
    ["endpoint", endpoint, "as it was read last"],
  ];
  const [named = ""] = signedBy === undefined ? keys : [signedBy];
  return {
    text: `${subject} comes with:\n\n${table(["", "", ""], rows)}\n\nNothing is approved yet. Ask its operator, by another way, which keys are right, and name each:\n  aether-federation peers approve ${subject} --key ${named}`,
    json: { verb: "approve", subject, approved: false, offer },
    exitCode: EXIT.failed,
  };
}

/** The keys that speak for a peer now. */
function activeKeys(peer: FederatedServer | undefined): string {
  const active = (peer?.keys ?? []).filter(({ retiredAt }) => retiredAt === undefined);
  return active.map(({ jwk }) => jwk.kid).join(", ");
}

function rolesText({ roles = ALL_ROLES }: FederatedServer): string {
  if (roles.inbound && roles.outbound) return "both ways";
  if (roles.inbound) return "its players in";
  return roles.outbound ? "our players out" : "nothing";
}

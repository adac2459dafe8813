/** What an operator decides on the admin page: parsed, done, and written into the audit log once it is done. */
import { z } from "zod";
import type { TrustRoles } from "../registry/federated-server.ts";

const originSchema = z.string().min(1).max(300);
const subjectSchema = z.string().min(1).max(300);

/** One decision. */
export const actionSchema = z.discriminatedUnion("action", [
  z.strictObject({
    action: z.literal("approve"),
    origin: originSchema,
    keys: z.array(z.string().min(1).max(64)).max(64),
    inbound: z.boolean().optional(),
    outbound: z.boolean().optional(),
  }),
  z.strictObject({ action: z.literal("block"), what: subjectSchema }),
  z.strictObject({ action: z.literal("unblock"), what: subjectSchema }),
  z.strictObject({ action: z.literal("retry"), origin: originSchema }),
  z.strictObject({ action: z.literal("forget"), origin: originSchema }),
  z.strictObject({ action: z.literal("recall"), player: subjectSchema }),
  z.strictObject({ action: z.literal("release"), asset: subjectSchema }),
  z.strictObject({ action: z.literal("purge"), asset: subjectSchema }),
]);
/** What {@link actionSchema} takes. */
export type AdminAction = z.infer<typeof actionSchema>;

/** Who does what is decided. Each rejects with a `TypeError`, or a `FederationError`, that says why it cannot. */
export interface AdminDeeds {
  approve(
    origin: string,
    options: Partial<TrustRoles> & { keys?: readonly string[] },
  ): Promise<void>;
  block(what: string): Promise<{ readonly matched: readonly string[] }>;
  unblock(what: string): Promise<{ readonly matched: readonly string[] }>;
  retry(origin: string): Promise<void>;
  forget(origin: string): Promise<boolean>;
  recall(player: string): Promise<string>;
  release(asset: string): Promise<string | undefined>;
  purge(asset: string): Promise<number>;
  /** Writes a decision that was made into the audit log, in the words of the command line. */
  audit(what: string, subject: string): Promise<void>;
}

/** Does what was decided; answers in a sentence what came of it. */
export async function perform(action: AdminAction, deeds: AdminDeeds): Promise<string> {
  switch (action.action) {
    case "approve": {
      const { origin, keys, inbound, outbound } = action;
      await deeds.approve(origin, {
        ...(keys.length === 0 ? {} : { keys }),
        ...(inbound === undefined ? {} : { inbound }),
        ...(outbound === undefined ? {} : { outbound }),
      });
      await deeds.audit("approve", origin);
      return `${origin} is trusted.`;
    }
    case "block": {
      const { matched } = await deeds.block(action.what);
      await deeds.audit("block", action.what);
      return `${action.what} is blocked; known servers that it matches: ${matched.length}.`;
    }
    case "unblock": {
      const { matched } = await deeds.unblock(action.what);
      await deeds.audit("unblock", action.what);
      return matched.length === 0
        ? `${action.what} is not blocked any more.`
        : `${matched.join(", ")} is not blocked any more, and waits for your approval.`;
    }
    case "retry":
      await deeds.retry(action.origin);
      return `${action.origin} has answered: there is a session.`;
    case "forget": {
      if (!(await deeds.forget(action.origin))) return `${action.origin} was not known.`;
      await deeds.audit("remove", action.origin);
      return `${action.origin} is forgotten.`;
    }
    case "recall": {
      const said = await deeds.recall(action.player);
      await deeds.audit("player-recalled", action.player);
      return said;
    }
    case "release": {
      const hash = await deeds.release(action.asset);
      if (hash === undefined) return "It is not in quarantine any more.";
      await deeds.audit("asset-released", action.asset);
      return `It is served now, under the hash that its bytes really have: ${hash}`;
    }
    case "purge": {
      if ((await deeds.purge(action.asset)) === 0) return "It was not there any more.";
      await deeds.audit("asset-purged", action.asset);
      return "It is gone.";
    }
  }
}

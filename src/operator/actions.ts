/** What an operator decides on the admin page: parsed, done, and written into the audit log. */
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
  /** Writes a decision into the audit log, before it is made. */
  audit(what: string, subject: string): Promise<void>;
}

/** Does what was decided; answers in a sentence what came of it. */
export async function perform(action: AdminAction, deeds: AdminDeeds): Promise<string> {
  switch (action.action) {
    case "approve": {
      const { origin, keys, inbound, outbound } = action;
      await deeds.audit("approve", origin);
      await deeds.approve(origin, {
        ...(keys.length === 0 ? {} : { keys }),
        ...(inbound === undefined ? {} : { inbound }),
        ...(outbound === undefined ? {} : { outbound }),
      });
      return `${origin} is trusted.`;
    }
    case "block": {
      await deeds.audit("block", action.what);
      const { matched } = await deeds.block(action.what);
      return `${action.what} is blocked; known servers that it matches: ${matched.length}.`;
    }
    case "unblock": {
      await deeds.audit("unblock", action.what);
      const { matched } = await deeds.unblock(action.what);
      return matched.length === 0
        ? `${action.what} is not blocked any more.`
        : `${matched.join(", ")} is not blocked any more, and waits for your approval.`;
    }
    case "retry":
      await deeds.retry(action.origin);
      return `${action.origin} has answered: there is a session.`;
    case "forget":
      await deeds.audit("forget", action.origin);
      return (await deeds.forget(action.origin))
        ? `${action.origin} is forgotten.`
        : `${action.origin} was not known.`;
    case "recall":
      await deeds.audit("recall", action.player);
      return deeds.recall(action.player);
    case "release": {
      await deeds.audit("asset-released", action.asset);
      const hash = await deeds.release(action.asset);
      return hash === undefined
        ? "It is not in quarantine any more."
        : `It is served now, under the hash that its bytes really have: ${hash}`;
    }
    case "purge":
      await deeds.audit("asset-purged", action.asset);
      return (await deeds.purge(action.asset)) > 0 ? "It is gone." : "It was not there any more.";
  }
}

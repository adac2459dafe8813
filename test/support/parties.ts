import {
  type DescriptorDocument,
  type ServerDescriptor,
  signDescriptor,
  verifyDescriptor,
} from "../../src/identity/descriptor.ts";
import { type KeyRing, generateSigningKey } from "../../src/identity/server-keys.ts";
import { seededRandom } from "./seeded-random.ts";

/** A ring whose only key follows from `seed`. */
export function ringOf(seed: string): KeyRing {
  return { current: generateSigningKey(seededRandom(seed)), next: undefined, retired: [] };
}

/** A signed descriptor of `origin`, valid for an hour from `nowMilliseconds`. */
export function descriptorOf(
  origin: string,
  ring: KeyRing,
  nowMilliseconds: number,
  changes: Partial<ServerDescriptor> = {},
): Promise<DescriptorDocument> {
  return signDescriptor(
    {
      origin,
      name: "A server",
      endpoint: `${origin}/federation`,
      protocols: ["aether/1"],
      worlds: ["plaza"],
      validUntil: Math.floor(nowMilliseconds / 1000) + 3600,
      ...changes,
    },
    ring,
  );
}

/** The same, verified. */
export async function verifiedDescriptorOf(
  ...args: Parameters<typeof descriptorOf>
): Promise<{ descriptor: ServerDescriptor; signedBy: string }> {
  const result = await verifyDescriptor(await descriptorOf(...args), { now: args[2] });
  if (!result.verified) throw new Error(result.reason);
  return { descriptor: result.descriptor, signedBy: result.signedBy };
}

/** Examines the link to another server from end to end, in bounded time. Nothing is decided by it. */
import { type Finding, Findings, type Report } from "./findings.ts";
import { tryDoors, tryRooms } from "./doors.ts";
import type { LinkCheckParts } from "./parts.ts";
import { reach } from "./reaching.ts";
import { callSigned, tellOurTrust } from "./signed-call.ts";

/** What a whole examination may take. */
export const CHECK_MILLISECONDS = 20_000;

/** Examines the link to `origin`; answers what was found, in the order of `CHECKS`. Never rejects. */
export async function checkLink(origin: string, parts: LinkCheckParts): Promise<Finding[]> {
  const findings = new Findings();
  const { clock } = parts;
  let timer: ReturnType<typeof clock.setTimeout> | undefined;
  const isOver = new Promise<void>((resolve) => {
    timer = clock.setTimeout(() => {
      const seconds = CHECK_MILLISECONDS / 1000;
      findings.report(
        "time",
        false,
        `it was not through in ${seconds} s: that server answers slowly`,
      );
      resolve();
    }, CHECK_MILLISECONDS);
  });
  const examined = examine(origin, parts, findings.report).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : "unknown";
    findings.report("time", false, `the examination broke off: ${why}`);
  });
  await Promise.race([examined, isOver]);
  if (timer !== undefined) clock.clearTimeout(timer);
  return findings.close();
}

async function examine(origin: string, parts: LinkCheckParts, report: Report): Promise<void> {
  const { own } = parts;
  // A link to oneself is none: its operator looks at it as others see it.
  const isSelf = own?.origin === origin;
  if (isSelf) report("our trust", true, "this is this server itself, as a stranger sees it");
  const dealsWith = own !== undefined && !isSelf && tellOurTrust(origin, own, report);
  const seen = isSelf ? { ...parts, own: undefined } : parts;
  const reached = await reach(origin, seen, report);
  if (reached === undefined) return;
  const { descriptor, isKnownByKey } = reached;
  const [isThere] = await Promise.all([
    tryDoors(descriptor, seen, report),
    tryRooms(origin, seen, report),
  ]);
  if (dealsWith && isThere && isKnownByKey) await callSigned(descriptor, parts, own, report);
}

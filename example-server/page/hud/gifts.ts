/** What becomes of things that players give each other (docs/gifts.md), in words. */
import { toast } from "./toasts.ts";

/** Tells what the room says of a gift: its message `gift`. */
export function tellGift(message: unknown): void {
  const said = { ...(message as Readonly<Record<string, unknown>>) };
  const [what, to, from, why] = [said["name"], said["to"], said["from"], said["message"]].map(
    (each) => (typeof each === "string" ? each.slice(0, 200) : ""),
  ) as [string, string, string, string];
  const calm = true;
  switch (said["kind"]) {
    case "got":
      toast(`${from} gives you: ${what}`, "It waits for you at home.", { calm });
      break;
    case "given":
      toast("Given", `${what} is ${to}'s now.`, { calm });
      break;
    case "pending":
      toast("On its way", `${what} waits for the home of ${to}.`, { calm });
      break;
    case "undecided":
      toast("Nobody knows yet", `${why} You see at home who has it: ${what}.`);
      break;
    default:
      toast("Not given", `${why} ${what} stays with you.`);
  }
}

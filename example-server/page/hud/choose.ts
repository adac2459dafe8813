/** Questions that the player answers in a dialog. */
import type { Thing } from "../federation/belongings.ts";
import { button, make } from "./element.ts";

/** Asks yes or no; closing it is no. */
export function confirmed(title: string, text: string, yes: string, no: string): Promise<boolean> {
  return choose(title, text, [
    [yes, true],
    [no, false],
  ]).then((answer) => answer ?? false);
}

/** Asks which thing to give; undefined: none. */
export function chosenThing(to: string, things: readonly Thing[]): Promise<Thing | undefined> {
  const own = things.filter(({ kind }) => kind !== "stamp");
  const [title, text] =
    own.length === 0
      ? ["Nothing to give", "Stamps stay with you. Catch a fish in the harbour, or get a gift."]
      : [`What do you give ${to}?`, "It leaves you, and is theirs when they are next at home."];
  return choose<Thing>(title, text, [
    ...own.slice(0, 12).map((thing): [string, Thing] => [thing.name, thing]),
    [own.length === 0 ? "All right" : "Keep everything", undefined],
  ]);
}

function choose<Answer>(
  title: string,
  text: string,
  answers: readonly (readonly [string, Answer | undefined])[],
): Promise<Answer | undefined> {
  const heading = make("h2", { textContent: title, id: "question" });
  const dialog = make("dialog", {}, heading, make("p", { textContent: text }));
  dialog.setAttribute("aria-labelledby", heading.id);
  return new Promise((resolve) => {
    let answer: Answer | undefined;
    dialog.append(
      make(
        "div",
        { className: "row" },
        ...answers.map(([label, value], index) =>
          button(
            label,
            () => {
              answer = value;
              dialog.close();
            },
            index === 0 && answers.length > 1 ? "first" : "",
          ),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** The name box of a first visit: small, over the world that is there already. */
import { byId } from "./element.ts";

/**
 * Asks for a name; resolves with it. Whoever just walks on takes the one suggested.
 *
 * @param walks Calls back when the player begins to walk; returns how to stop.
 */
export function askForName(
  suggestion: string,
  walks: (listener: () => void) => () => void,
): Promise<string> {
  const form = byId<HTMLFormElement>("welcome");
  const input = byId<HTMLInputElement>("name");
  input.value = suggestion;
  form.hidden = false;
  input.focus({ preventScroll: true });
  input.select();
  return new Promise((resolve) => {
    const stop = walks(() => {
      done(suggestion);
    });
    const submit = (event: SubmitEvent): void => {
      event.preventDefault();
      done(input.value.trim() || suggestion);
    };
    form.addEventListener("submit", submit);
    function done(name: string): void {
      stop();
      form.removeEventListener("submit", submit);
      form.hidden = true;
      byId("view").focus({ preventScroll: true });
      resolve(name);
    }
  });
}

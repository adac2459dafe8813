/** The icon of a world: a gate in its colours. */
import { themeOf } from "../theme.ts";

/** An SVG of 64 × 64. */
export function iconOf(world: string): string {
  const { accent, beyond, ground } = themeOf(world);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="14" fill="${beyond}"/><path d="M14 58V30a18 18 0 0 1 36 0v28" fill="${accent}" stroke="${ground[2]}" stroke-width="7"/><circle cx="32" cy="38" r="8" fill="#fff" opacity=".75"/></svg>`;
}

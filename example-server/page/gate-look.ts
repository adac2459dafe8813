/** How a gate's state looks and is called, on the canvas and in the list. */
export interface GateLook {
  readonly hue: number;
  readonly colour: string;
  readonly word: string;
  /** Whether one can walk through. */
  readonly alive: boolean;
}

/** @param status Of the portal, as the room has it. */
export function gateLook(status: string): GateLook {
  switch (status) {
    case "up":
      return { hue: 165, colour: "#3ddba8", word: "open", alive: true };
    case "slow":
      return { hue: 42, colour: "#ffc24a", word: "slow", alive: true };
    case "not approved":
      return { hue: 265, colour: "#b79bff", word: "not approved yet", alive: false };
    default:
      return { hue: 0, colour: "#ff8a80", word: "closed: its server is down", alive: false };
  }
}

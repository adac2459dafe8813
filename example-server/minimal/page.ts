import { Traveler } from "aether-federation/client";
import type { GardenState } from "./server.ts";

const byId = (id: string) => document.getElementById(id);
const make = (tag: string, textContent: string, onclick?: () => void) =>
  Object.assign(document.createElement(tag), { textContent, onclick });

const name = localStorage.getItem("name") ?? prompt("Your name?") ?? "Ada";
localStorage.setItem("name", name);

const listen = (traveler: Traveler) => {
  const portal = ({ uri }: { uri: string }) => make("button", uri, () => traveler.enter(uri));
  traveler.onDestinations((all) => byId("portals")?.replaceChildren(...all.map(portal)));
  traveler.onArrive(({ room, origin }) => {
    room.onStateChange(({ world, players }: GardenState) => {
      byId("place")?.replaceChildren(`${world} at ${new URL(origin).host}`);
      const who = [...players.values()].map((p) => `${p.name} of ${p.home} has ${p.carries}`);
      byId("players")?.replaceChildren(...who.map((line) => make("li", line)));
    });
  });
  traveler.onFailed(({ message }) => byId("news")?.replaceChildren(message)); // it stays
  traveler.onLeave(({ message }) => byId("news")?.replaceChildren(message)); // it goes home
};
// A new player joins the room "garden"; one whose page was reloaded goes on where it was.
const { traveler } = await Traveler.arrive(location.origin, { name, world: "garden", listen });
byId("pick")?.addEventListener("click", () => traveler.room?.send("pick"));

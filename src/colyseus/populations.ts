/** How many play in each world, as the matchmaker counts: of all processes of this server. */
import { matchMaker } from "@colyseus/core";

/**
 * Connected clients by world. Two worlds of one room have the same. Whoever asks often keeps the answer.
 *
 * @param worlds Names of rooms by world. @throws what the matchmaker throws.
 */
export async function countPopulations(
  worlds: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, number>>> {
  const inRoom = new Map<string, number>();
  for (const name of new Set(Object.values(worlds))) {
    const rooms = await matchMaker.query({ name });
    inRoom.set(
      name,
      rooms.reduce((sum, { clients }) => sum + clients, 0),
    );
  }
  return Object.fromEntries(
    Object.entries(worlds).map(([world, name]) => [world, inRoom.get(name) ?? 0]),
  );
}

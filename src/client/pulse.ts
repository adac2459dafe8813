/** Notices a server that says nothing any more, although the connection to it stands. */
import type { Room } from "@colyseus/sdk";

/** One slow answer, or a page that slept, is not silence. */
const MISSED_PULSES = 3;

/**
 * Asks a room for a sign of life, by Colyseus' own ping, three times in so many milliseconds; calls
 * `silent` once when none of them is answered. Ends with the room. What the game measures by
 * `room.ping` goes on as it does.
 */
export function watchPulse(room: Room, silenceMilliseconds: number, silent: () => void): void {
  const ping = sharedPing(room);
  let missed = 0;
  const beat = (): void => {
    // While the SDK reconnects there is nobody to ask, and it has an end of its own.
    missed = room.connection.isOpen ? missed + 1 : 0;
    if (missed > MISSED_PULSES) {
      silent();
      return;
    }
    ping(() => {
      missed = 0;
    });
    timer = setTimeout(beat, silenceMilliseconds / MISSED_PULSES);
  };
  let timer = setTimeout(beat, silenceMilliseconds / MISSED_PULSES);
  room.onLeave(() => {
    clearTimeout(timer);
  });
}

/** A room keeps one callback only: the answer to one ping answers whoever has asked. */
function sharedPing(room: Room): Room["ping"] {
  const send = room.ping.bind(room);
  let waiting: ((milliseconds: number) => void)[] = [];
  const ping: Room["ping"] = (callback) => {
    if (!room.connection.isOpen) return;
    waiting.push(callback);
    // Asked again, for the one before may have gone with a connection.
    send((milliseconds) => {
      const asked = waiting;
      waiting = [];
      for (const each of asked) each(milliseconds);
    });
  };
  room.ping = ping;
  return ping;
}

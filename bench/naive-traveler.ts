/** The anchor of a crossing: a client and a server that trust each other and everybody. */
import { Client, type Room, type SeatReservation } from "@colyseus/sdk";
import { quietly } from "./join.ts";

/** A client as one writes it for the naive crossing; like `Traveler`, it joins before it leaves. */
export class NaiveTraveler {
  #room: Room | undefined;

  async join(origin: string): Promise<void> {
    this.#room = quietly(await new Client(origin).joinOrCreate("bare"));
  }

  cross(origin: string): Promise<Room> {
    const old = this.#room;
    if (old === undefined) throw new Error("join first");
    return new Promise((resolve, reject) => {
      old.onMessage(
        "naive:transit",
        (transit: { origin: string; reservation: SeatReservation }) => {
          new Client(transit.origin).consumeSeatReservation(transit.reservation).then((room) => {
            this.#room = quietly(room);
            resolve(room);
            void old.leave(true);
          }, reject);
        },
      );
      old.send("naive:enter", { to: origin });
    });
  }

  async leave(): Promise<void> {
    await this.#room?.leave(true);
  }
}

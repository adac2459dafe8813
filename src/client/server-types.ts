/** What a game's own server type says of its rooms, as the SDK's `Client<typeof server>` reads it. */
import type { Room } from "@colyseus/sdk";

/* `any` stands where the SDK has it: rooms that nobody has typed are used as they are. */
/* eslint-disable @typescript-eslint/no-explicit-any */

/** A Colyseus server, by its type: `typeof server` of what `defineServer` returns. */
export interface ServerTypes {
  readonly "~rooms": any;
}

/** A room class of the server's, by its type. */
export interface RoomTypes {
  state: any;
  onJoin?: (...args: any[]) => any;
}

/** The names of a server's rooms. */
export type RoomName<Server extends ServerTypes> = keyof Server["~rooms"] & string;

/** The options of a join: the second parameter of the room's `onJoin`. */
export type JoinOptions<RoomType extends RoomTypes> = Parameters<
  NonNullable<RoomType["onJoin"]>
>[1];

/** The class of a server's room. */
export type RoomTypeOf<
  Server extends ServerTypes,
  Name extends RoomName<Server>,
> = Server["~rooms"][Name]["~room"];

/** A server's room, as its client sees it. */
export type RoomOf<Server extends ServerTypes, Name extends RoomName<Server>> = Room<
  RoomTypeOf<Server, Name>
>;

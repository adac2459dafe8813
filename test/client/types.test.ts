/** Compiled by check:types, not run: what `Traveler` knows of a game's types, as the SDK's `Client` does. */
import { type Client, Room, type Server, defineRoom, defineServer } from "@colyseus/core";
import { schema, t } from "@colyseus/schema";
import type { Client as SdkClient, Room as SdkRoom } from "@colyseus/sdk";
import {
  type Arrival,
  type JoinOptions,
  type RoomTypeOf,
  Traveler,
} from "aether-federation/client";

const PlazaState = schema({ coins: t.number() }, "PlazaState");
type PlazaState = InstanceType<typeof PlazaState>;

class Plaza extends Room<{ state: PlazaState }> {
  override state = new PlazaState();
  override messages = { step: (_client: Client, _where: { x: number }): void => undefined };
  override onJoin(_client: Client, _options: { team: string }): void {}
}

class Arena extends Room {}

type Game = ReturnType<typeof game>;

/** As an `app.config.ts` has it. */
function game() {
  return defineServer({ rooms: { plaza: defineRoom(Plaza), arena: defineRoom(Arena) } });
}

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <_Check extends true>(): void => undefined;

/** Never called: its types are the test. */
export async function types(): Promise<void> {
  const typed = new Traveler<Game>("https://home.example");
  const client = null as unknown as SdkClient<Game>;

  const plaza = await typed.join("plaza", { team: "red" });
  const sdks = await client.joinOrCreate("plaza", { team: "red" });
  is<Same<typeof plaza, typeof sdks>>();
  is<Same<typeof plaza.state.coins, number>>();
  plaza.send("step", { x: 1 });
  // @ts-expect-error The message has another form.
  plaza.send("step", { y: 1 });
  is<Same<JoinOptions<RoomTypeOf<Game, "plaza">>, { team: string }>>();

  const resumed = await typed.resume("plaza");
  is<Same<typeof resumed.state.coins, number>>();
  // @ts-expect-error There is no such room.
  await typed.resume("pit");

  const byState = await typed.join<PlazaState>("anywhere");
  is<Same<typeof byState.state.coins, number>>();
  const byRoom = await typed.join<Plaza>("anywhere", { team: "red" });
  is<Same<typeof byRoom.state.coins, number>>();

  typed.onArrive((arrival) => {
    if (arrival.atHome && arrival.world === "plaza") {
      is<Same<typeof arrival.room.state.coins, number>>();
    }
    is<Same<typeof arrival.origin, string>>();
  });

  const untyped = new Traveler("https://home.example");
  const any = await untyped.join("plaza", { whatever: 1 });
  any.send("whatever");
  const state = await untyped.join<PlazaState>("plaza");
  is<Same<typeof state.state.coins, number>>();
  untyped.onArrive((arrival: Arrival) => {
    is<Same<typeof arrival.room, SdkRoom>>();
    is<Same<typeof arrival.world, string>>();
  });

  const wide = new Traveler<Server>("https://home.example");
  await wide.join("plaza");
  // @ts-expect-error A server has rooms.
  new Traveler<{ nothing: true }>("https://home.example");
}

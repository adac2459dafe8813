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
  override onJoin(_client: Client, options: { team: string }): void {
    this.state.coins += options.team.length;
  }
}

class Arena extends Room {}

/** As an `app.config.ts` has it. */
export const game = () =>
  defineServer({ rooms: { plaza: defineRoom(Plaza), arena: defineRoom(Arena) } });
type Game = ReturnType<typeof game>;

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles for a value of that very type, and no other. */
const is = <Type>() => ({
  of: <Given>(_value: Same<Given, Type> extends true ? Given : never): void => undefined,
});

/** Never called: its types are the test. */
export async function types(): Promise<void> {
  const typed = new Traveler<Game>("https://home.example");
  const client = null as unknown as SdkClient<Game>;

  const plaza = await typed.join("plaza", { team: "red" });
  const sdks = await client.joinOrCreate("plaza", { team: "red" });
  is<typeof plaza>().of(sdks);
  is<number>().of(plaza.state.coins);
  plaza.send("step", { x: 1 });
  // @ts-expect-error The message has another form.
  plaza.send("step", { y: 1 });
  is<JoinOptions<RoomTypeOf<Game, "plaza">>>().of<{ team: string }>({ team: "red" });

  const resumed = await typed.resume("plaza");
  is<number>().of(resumed.state.coins);
  // @ts-expect-error There is no such room.
  await typed.resume("pit");

  const byState = await typed.join<PlazaState>("anywhere");
  is<number>().of(byState.state.coins);
  const byRoom = await typed.join<Plaza>("anywhere", { team: "red" });
  is<number>().of(byRoom.state.coins);

  typed.onArrive((arrival) => {
    if (arrival.atHome && arrival.world === "plaza") {
      is<number>().of(arrival.room.state.coins);
    }
    is<string>().of(arrival.origin);
  });

  const untyped = new Traveler("https://home.example");
  const any = await untyped.join("plaza", { whatever: 1 });
  any.send("whatever");
  const state = await untyped.join<PlazaState>("plaza");
  is<number>().of(state.state.coins);
  untyped.onArrive((arrival: Arrival) => {
    is<SdkRoom>().of(arrival.room);
    is<string>().of(arrival.world);
  });

  const wide = new Traveler<Server>("https://home.example");
  await wide.join("plaza");
  // @ts-expect-error A server has rooms.
  new Traveler<{ nothing: true }>("https://home.example");
}

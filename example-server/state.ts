/** What a client sees of a world: the schema of its room. */
import { type SchemaType, schema, t } from "@colyseus/schema";

export const PlayerState = schema(
  {
    /** `<local id>@<home authority>`: the same on every server. */
    id: t.string(),
    name: t.string(),
    /** Origin of the server that vouches for the player. */
    home: t.string(),
    colour: t.string(),
    /** What the hat is called. */
    hat: t.string(),
    /** The file it is, by its hash; empty until this server has it. */
    hatHash: t.string(),
    hatUrl: t.string(),
    x: t.number(),
    y: t.number(),
    /** 1 to the right, -1 to the left. */
    facing: t.number(),
    moving: t.boolean(),
    coins: t.number(),
    stamps: t.number(),
    /** On its way to another server: it stands still. */
    crossing: t.boolean(),
  },
  "Player",
);
export type PlayerState = SchemaType<typeof PlayerState>;

export const CoinState = schema({ x: t.number(), y: t.number() }, "Coin");

export const PortalState = schema(
  {
    x: t.number(),
    y: t.number(),
    /** The world's name, or the server's as long as it says of none. */
    label: t.string(),
    /** `host[:port]` of the server. */
    host: t.string(),
    /** The portal's URI; empty where it leads nowhere. */
    target: t.string(),
    /** `up`, `slow`, `down` or `not approved`. */
    status: t.string(),
    /** Kind of game, as its server says; empty where it does not. */
    kind: t.string(),
  },
  "Portal",
);
export type PortalState = SchemaType<typeof PortalState>;

export const PictureState = schema(
  {
    x: t.number(),
    y: t.number(),
    title: t.string(),
    /** `host[:port]` of the server whose it is. */
    owner: t.string(),
    hash: t.string(),
    /** Empty where it does not hang. */
    url: t.string(),
    /** `coming`, `hangs` or `refused`. */
    status: t.string(),
    /** Why it is refused: a code. */
    detail: t.string(),
  },
  "Picture",
);
export type PictureState = SchemaType<typeof PictureState>;

export const WorldState = schema(
  {
    world: t.string(),
    width: t.number(),
    height: t.number(),
    /** By session id. */
    players: t.map(PlayerState),
    /** By serial number. */
    coins: t.map(CoinState),
    /** By origin. */
    portals: t.map(PortalState),
    /** By hash. */
    pictures: t.map(PictureState),
  },
  "World",
);

/**
 * What happens between a connection and a room: passes, proofs and custody before the room's own
 * hooks see the client.
 *
 * `Room.onAuth` is replaced by an accessor, so that whoever assigns it later (`@colyseus/auth` does
 * when it is imported) is called from within; a class with an `onAuth` of its own is wrapped where
 * it is defined; `Room._onJoin` is wrapped once for all rooms, also those defined later. The
 * instance hooks (`onAuth`, `onJoin`, `onDrop`, `onLeave`) are wrapped when a room's first client comes.
 *
 * What it costs: one look at the token for a join without one. It does not authenticate players of
 * a room with an `onAuth` of its own: there, the host's word is final and only visitors with a pass
 * come in another way.
 */
import {
  type AuthContext,
  type Client,
  ErrorCode,
  Room,
  ServerError,
  matchMaker,
} from "@colyseus/core";
import type { FederationErrorCode } from "../errors.ts";
import { tokenType } from "../identity/proof.ts";
import {
  type ClientInternals,
  type JoinFunction,
  type ReservedSeat,
  internalsOf,
  roomPrototype,
} from "./internals.ts";
import type { JoinRefusal } from "./refusal.ts";
import { type RoomPlayer, type RoomSessions } from "./room-sessions.ts";
import type { Seal, Sealer } from "./seal.ts";
import { SEAL_MEMBER } from "./seats.ts";

type StaticOnAuth = (token: string, options: unknown, context: AuthContext) => unknown;

/** What the hooks ask of the federation. */
export interface JoinHost {
  readonly sessions: RoomSessions;
  readonly sealer: () => Sealer;
  /** A key-holding player asks for a seat at home. */
  loginByKey(token: string): Promise<{ ok: true; seal: string; sessionId: string } | JoinRefusal>;
  /** A player presents a pass as its auth token. */
  joinByPass(
    token: string,
    roomName: string,
  ): Promise<{ ok: true; seal: string; sessionId: string } | JoinRefusal>;
  /** A sealed seat's client has connected: proof, then custody. */
  connect(
    seal: Seal,
    context: AuthContext,
  ): Promise<
    | { ok: true; entry(room: Room, sessionId: string): RoomPlayer; abort(): Promise<void> }
    | JoinRefusal
  >;
  /** After the room's own auth, before its `onJoin`: a local player's session starts. */
  beforeJoin(room: Room, client: Client, options: unknown): Promise<{ ok: true } | JoinRefusal>;
  /** The client has left for good. */
  left(entry: RoomPlayer): Promise<void>;
}

const WEBSOCKET_OPEN = 1;
const ROOM_DATA_CODES = new Set([13, 17, 19, 20, 21]);
const FEDERATION_PREFIX = "federation:";

interface Hooked {
  host: JoinHost;
  /** What `Room.onAuth` is to everybody else. */
  inner: StaticOnAuth;
}

/** One federation in a process: the matchmaker itself is one. */
let hooked: Hooked | undefined;

function theHooked(): Hooked {
  if (hooked === undefined) throw new TypeError("no federation is attached");
  return hooked;
}

const wrappers = new WeakSet<StaticOnAuth>();
const answers = new WeakMap<AuthContext, Map<StaticOnAuth, Promise<unknown>>>();
const hookedRooms = new WeakSet<Room>();
const exempt = new WeakSet<object>();

/** Keeps the federation's hooks away from a room class: only its own `onAuth` decides. */
export function exemptFromJoinHooks(roomClass: object): void {
  exempt.add(roomClass);
}

/**
 * Installs the hooks, once for the process.
 *
 * @throws TypeError when another federation has done so.
 */
export function installJoinHooks(host: JoinHost): void {
  if (hooked !== undefined) {
    throw new TypeError(
      "another federation is attached in this process: Colyseus has one matchmaker per process, so run one server each",
    );
  }
  const original: StaticOnAuth = Room.onAuth.bind(Room);
  hooked = { host, inner: original };
  const base: StaticOnAuth = (token, options, context) => {
    return authenticate(base, theHooked().inner, true, [token, options, context]);
  };
  wrappers.add(base);
  Object.defineProperty(Room, "onAuth", {
    configurable: true,
    enumerable: true,
    get: () => base,
    set(this: object, value: StaticOnAuth) {
      if (this === Room) theHooked().inner = value;
      else {
        Object.defineProperty(this, "onAuth", {
          configurable: true,
          enumerable: true,
          writable: true,
          value,
        });
      }
    },
  });
  const join = roomPrototype._onJoin;
  roomPrototype._onJoin = function (client, context, options) {
    return joinRoom(host, join, this, client, context, options);
  };
  const message = roomPrototype._onMessage;
  roomPrototype._onMessage = function (client, buffer) {
    if (isHeldBack(host, this, client, buffer)) return;
    message.call(this, client, buffer);
  };
}

/** Wraps the `onAuth` of every room class defined so far. */
export function wrapRoomClasses(): void {
  for (const handler of Object.values(matchMaker.getAllHandlers())) {
    for (
      let roomClass: object | null = handler.klass;
      roomClass !== null && roomClass !== Room;
      roomClass = Object.getPrototypeOf(roomClass) as object | null
    ) {
      if (!Object.hasOwn(roomClass, "onAuth") || exempt.has(handler.klass)) continue;
      const own = (roomClass as { onAuth: StaticOnAuth }).onAuth;
      if (wrappers.has(own)) continue;
      const wrapper: StaticOnAuth = (token, options, context) =>
        authenticate(wrapper, own, false, [token, options, context]);
      wrappers.add(wrapper);
      (roomClass as { onAuth: StaticOnAuth }).onAuth = wrapper;
    }
  }
}

/** One request may call `onAuth` several times with one context: tokens are used once all the same. */
function authenticate(
  wrapper: StaticOnAuth,
  inner: StaticOnAuth,
  keyLogin: boolean,
  args: [token: string, options: unknown, context: AuthContext],
): unknown {
  const [token, , context] = args;
  const type = tokenType(token);
  if (type !== "aether-pass+jwt" && !(type === "aether-pop+jwt" && keyLogin)) {
    return inner(...args);
  }
  let perContext = answers.get(context);
  if (perContext === undefined) {
    perContext = new Map();
    answers.set(context, perContext);
  }
  let answer = perContext.get(wrapper);
  if (answer === undefined) {
    answer = type === "aether-pop+jwt" ? loginByKey(inner, args) : joinByPass(token, context);
    perContext.set(wrapper, answer);
  }
  return answer;
}

/** A key is good enough where the host lets anybody in without a token. */
async function loginByKey(
  inner: StaticOnAuth,
  [token, options, context]: Parameters<StaticOnAuth>,
): Promise<unknown> {
  const anonymous = Object.create(context, { token: { value: undefined } }) as AuthContext;
  if ((await inner(undefined as unknown as string, options, anonymous)) !== true) {
    return inner(token, options, context);
  }
  return sealed(await theHooked().host.loginByKey(token));
}

/**
 * What the host's own `Room.onAuth` makes of a token outside of any room; true when it lets
 * anybody in without one.
 */
export async function hostAuth(token: string | undefined): Promise<unknown> {
  const context = { token, headers: new Headers(), ip: "" } as AuthContext;
  return theHooked().inner(token as unknown as string, {}, context);
}

async function joinByPass(token: string, context: AuthContext): Promise<unknown> {
  return sealed(await theHooked().host.joinByPass(token, await roomNameOf(context)));
}

function sealed(
  result: { ok: true; seal: string; sessionId: string } | JoinRefusal,
): Readonly<Record<string, string>> {
  if (!result.ok) throw refusalError(result);
  return { sessionId: result.sessionId, [SEAL_MEMBER]: result.seal };
}

/** The room a matchmaking request is for; Colyseus does not tell `onAuth`. */
async function roomNameOf(context: AuthContext): Promise<string> {
  const url = (context.req as { url?: string } | undefined)?.url ?? "";
  const path = url.includes("://") ? new URL(url).pathname : url;
  const match = /\/matchmake\/(\w+)\/([^/?#]+)/u.exec(path);
  const [, method, name] = match ?? [];
  if (name === undefined) return "";
  if (method !== "joinById") return decodeURIComponent(name);
  const room = await matchMaker.driver.findOne({ roomId: decodeURIComponent(name) });
  return (room as { name?: string } | undefined)?.name ?? "";
}

async function joinRoom(
  host: JoinHost,
  join: JoinFunction,
  room: Room,
  client: Client,
  context: AuthContext,
  options: Parameters<JoinFunction>[2],
): Promise<void> {
  if (exempt.has(room.constructor)) return join.call(room, client, context, options);
  hookRoom(host, room);
  const { _reservedSeats: seats } = internalsOf(room);
  const seat = seats[client.sessionId];
  const sealText = sealOf(seat);
  if (seat === undefined || sealText === undefined) {
    return join.call(room, client, context, options);
  }
  const seal = host.sealer().open(sealText, client.sessionId);
  if (seal === undefined) {
    throw refusalError({
      code: "ERR_FED_SEAT_UNKNOWN",
      reason: "the seat's seal is not this server's",
    });
  }
  const connected = await host.connect(seal, context);
  if (!connected.ok) throw refusalError(connected);
  // The seat's time may have run out, or the client gone, while home was asked.
  const stillThere = seats[client.sessionId] === seat && seat[2] === false;
  if (!stillThere || (client as Client & ClientInternals).readyState !== WEBSOCKET_OPEN) {
    await connected.abort();
    throw refusalError({
      code: "ERR_FED_SEAT_UNKNOWN",
      reason: "the seat lapsed before it was taken",
    });
  }
  const entry = connected.entry(room, client.sessionId);
  seat[1] = entry.player;
  try {
    await join.call(room, client, context, options);
  } catch (error) {
    await host.left(entry);
    throw error;
  }
}

function sealOf(seat: ReservedSeat | undefined): unknown {
  if (seat === undefined || seat[3] === true) return undefined;
  const auth = seat[1];
  return typeof auth === "object" && auth !== null
    ? (auth as Record<string, unknown>)[SEAL_MEMBER]
    : undefined;
}

/** Wraps the instance hooks of one room, outside of what Colyseus itself wraps around them. */
function hookRoom(host: JoinHost, room: Room): void {
  if (hookedRooms.has(room)) return;
  hookedRooms.add(room);
  const hooks = room as unknown as {
    onAuth: (client: Client, options: unknown, context: AuthContext) => unknown;
    onJoin?: (client: Client, options: unknown, auth: unknown) => unknown;
    onDrop?: (client: Client, code?: number) => unknown;
    onLeave?: (client: Client, code?: number) => unknown;
  };
  const { onAuth, onJoin, onDrop, onLeave } = hooks;
  /** The last moment at which the room can be asked what a client carries. */
  const capture = (client: Client): RoomPlayer | undefined => {
    const entry = host.sessions.get(room, client.sessionId);
    if (entry !== undefined && !entry.frozen) host.sessions.capture(entry, client);
    return entry;
  };
  if (onAuth !== (Room.prototype as unknown as typeof hooks).onAuth) {
    hooks.onAuth = (client, options, context) =>
      host.sessions.get(room, client.sessionId)?.admitted === true
        ? true
        : onAuth.call(room, client, options, context);
  }
  hooks.onJoin = async (client, options) => {
    const ready = await host.beforeJoin(room, client, options);
    if (!ready.ok) throw refusalError(ready);
    const joined = await onJoin?.call(room, client, options, client.auth as unknown);
    const entry = host.sessions.get(room, client.sessionId);
    if (entry !== undefined) entry.joined = true;
    return joined;
  };
  if (onDrop !== undefined) {
    hooks.onDrop = (client, code) => {
      // Home may call the player back, or renew it, while nobody knows whether it reconnects.
      capture(client);
      return onDrop.call(room, client, code);
    };
  }
  hooks.onLeave = async (client, code) => {
    const entry = capture(client);
    try {
      await onLeave?.call(room, client, code);
    } finally {
      // Awaited, so that a room that closes down has stored what its players carry.
      if (entry !== undefined) await leaveUnlessReconnecting(host, room, client, entry);
    }
  };
}

/** `onLeave` itself may have allowed a reconnection; the player is gone only when that fails. */
async function leaveUnlessReconnecting(
  host: JoinHost,
  room: Room,
  client: Client,
  entry: RoomPlayer,
): Promise<void> {
  if (room.clients.get(entry.sessionId) !== undefined) return;
  const waiting = internalsOf(room)._reconnections[client.reconnectionToken];
  if (waiting === undefined) {
    await host.left(entry);
    return;
  }
  waiting[1].then(
    () => undefined,
    () => host.left(entry),
  );
}

/** While a player is frozen, what its client sends has no effect; the federation's own may pass. */
function isHeldBack(host: JoinHost, room: Room, client: Client, buffer: Uint8Array): boolean {
  if (host.sessions.get(room, client.sessionId)?.frozen !== true) return false;
  const code = (buffer[0] ?? 0) & 0x1f;
  if (!ROOM_DATA_CODES.has(code)) return false;
  const type = Buffer.from(buffer.subarray(2, 2 + FEDERATION_PREFIX.length)).toString("latin1");
  return type !== FEDERATION_PREFIX;
}

/** What a client sees: Colyseus' own code for refused auth, and ours in the message. */
export function refusalError(refusal: {
  readonly code: FederationErrorCode;
  readonly reason: string;
}): ServerError {
  return new ServerError(ErrorCode.AUTH_FAILED, `${refusal.code}: ${refusal.reason}`);
}

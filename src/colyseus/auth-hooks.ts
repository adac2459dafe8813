/**
 * What a token is worth at matchmaking, ahead of the host's own `onAuth`: passes anywhere, proofs of
 * a key where the host lets anybody in.
 *
 * `Room.onAuth` is replaced by an accessor, so that whoever assigns it later (`@colyseus/auth` does
 * when it is imported) is called from within; a class with an `onAuth` of its own is wrapped where
 * it is defined.
 *
 * What it costs: one look at the token for a join without one. It does not authenticate players of
 * a room with an `onAuth` of its own: there, the host's word is final and only visitors with a pass
 * come in another way.
 */
import { type AuthContext, type Client, Room, matchMaker } from "@colyseus/core";
import { tokenType } from "../identity/proof.ts";
import { isExempt } from "./exempt-rooms.ts";
import { type JoinRefusal, refusalError } from "./refusal.ts";
import { SEAL_MEMBER } from "./seal.ts";

type StaticOnAuth = (
  this: unknown,
  token: string,
  options: unknown,
  context: AuthContext,
) => unknown;

/** What a token was good for: a seat's session id, and the seal to hold its connection against. */
export interface SealedSeat {
  readonly ok: true;
  readonly seal: string;
  readonly sessionId: string;
}

/** What these hooks ask of the federation. */
export interface AuthHost {
  /** A key-holding player asks for a seat at home. */
  loginByKey(token: string): Promise<SealedSeat | JoinRefusal>;
  /** A player presents a pass as its auth token. */
  joinByPass(token: string, roomName: string): Promise<SealedSeat | JoinRefusal>;
}

/** A room class with an `onAuth` of its own, which was wrapped. */
interface Wrapped {
  readonly roomClass: { onAuth: StaticOnAuth };
  readonly wrapper: StaticOnAuth;
  readonly own: StaticOnAuth;
}

interface Hooked {
  readonly host: AuthHost;
  /** What `Room.onAuth` is to everybody else. */
  inner: StaticOnAuth;
  readonly wrapped: Wrapped[];
}

/** One federation in a process at a time: the matchmaker itself is one. */
let hooked: Hooked | undefined;

function theHooked(): Hooked {
  if (hooked === undefined) throw new TypeError("no federation is attached");
  return hooked;
}

/** What each wrapper is around; those of a federation that has gone only call that. */
const wrappers = new WeakMap<StaticOnAuth, StaticOnAuth>();
const answers = new WeakMap<AuthContext, Map<StaticOnAuth, Promise<unknown>>>();

/** Whether a federation is attached in this process. */
export function isAttached(): boolean {
  return hooked !== undefined;
}

/**
 * Installs the hooks. Returns how to release them: everything is then what the host has made of it.
 *
 * @throws TypeError while another federation's are installed.
 */
export function installAuthHooks(host: AuthHost): () => void {
  if (isAttached()) {
    throw new TypeError(
      "federation.attach: another federation is attached in this process, and Colyseus has one matchmaker per process. Await its server.gracefullyShutdown(false) or its detach() first, or run one process each",
    );
  }
  const inherited = Reflect.get(Room, "onAuth") as StaticOnAuth;
  const mine: Hooked = { host, inner: inherited, wrapped: [] };
  hooked = mine;
  const base: StaticOnAuth = function (...args) {
    const inner: StaticOnAuth = (...handed) => mine.inner.apply(this, handed);
    return hooked === mine ? authenticate(base, inner, true, args) : inner(...args);
  };
  wrappers.set(base, inherited);
  Object.defineProperty(Room, "onAuth", {
    configurable: true,
    enumerable: true,
    get: () => base,
    set(this: object, value: StaticOnAuth) {
      if (this === Room) mine.inner = value;
      else setOnAuth(this, value);
    },
  });
  return () => {
    if (hooked !== mine) return;
    hooked = undefined;
    setOnAuth(Room, mine.inner);
    for (const { roomClass, wrapper, own } of mine.wrapped.splice(0)) {
      // Where somebody has wrapped it once more, ours stays inside and only hands on.
      if (roomClass.onAuth === wrapper) roomClass.onAuth = own;
    }
  };
}

function setOnAuth(roomClass: object, value: StaticOnAuth): void {
  const attributes = { configurable: true, enumerable: true, writable: true };
  Object.defineProperty(roomClass, "onAuth", { ...attributes, value });
}

/** Wraps the `onAuth` of every room class defined so far. */
export function wrapRoomClasses(): void {
  const mine = hooked;
  if (mine === undefined) return;
  for (const handler of Object.values(matchMaker.getAllHandlers())) {
    for (
      let roomClass: object | null = handler.klass;
      roomClass !== null && roomClass !== Room;
      roomClass = Object.getPrototypeOf(roomClass) as object | null
    ) {
      if (!Object.hasOwn(roomClass, "onAuth") || isExempt(handler.klass)) continue;
      const hooks = roomClass as { onAuth: StaticOnAuth };
      const own = hooks.onAuth;
      if (mine.wrapped.some(({ wrapper }) => wrapper === own)) continue;
      const wrapper: StaticOnAuth = function (...args) {
        const inner: StaticOnAuth = (...handed) => own.apply(this, handed);
        return hooked === mine ? authenticate(wrapper, inner, false, args) : inner(...args);
      };
      wrappers.set(wrapper, own);
      mine.wrapped.push({ roomClass: hooks, wrapper, own });
      hooks.onAuth = wrapper;
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
  return theHooked().inner.call(Room, token as unknown as string, {}, context);
}

/** Whether everybody's `Room.onAuth` lets in who brings no token, so that a key may be the account. */
export async function letsAnybodyIn(): Promise<boolean> {
  if (!someRoomAsksNothing()) return false;
  // Hosts throw to refuse.
  return (await hostAuth(undefined).catch(() => false)) === true;
}

/** The static `onAuth` that rooms have of their own, among the rooms named, each asked once. */
export function worldsAuth(
  rooms: readonly string[],
): readonly ((token: string | undefined) => Promise<unknown>)[] {
  const handlers = Object.entries(matchMaker.getAllHandlers());
  const own = handlers.flatMap(([name, { klass }]) => {
    const { onAuth } = klass as unknown as { onAuth: StaticOnAuth };
    return rooms.includes(name) && onAuth !== (Room as { onAuth: unknown }).onAuth
      ? [[wrappers.get(onAuth) ?? onAuth, klass] as const]
      : [];
  });
  return [...new Map(own)].map(([onAuth, roomClass]) => async (token) => {
    const context = { token, headers: new Headers(), ip: "" } as AuthContext;
    return onAuth.call(roomClass, token as unknown as string, {}, context);
  });
}

/** Whether a room class asks players itself, beyond what the host asks everybody. */
function asksItself(roomClass: typeof Room): boolean {
  return (
    (roomClass as { onAuth: unknown }).onAuth !== Room.onAuth ||
    roomClass.prototype.onAuth !== Room.prototype.onAuth
  );
}

/** Whether some room takes whomever the host's own `Room.onAuth` takes: a login outside of any room. */
export function someRoomAsksNothing(): boolean {
  return Object.values(matchMaker.getAllHandlers()).some(
    ({ klass }) => !isExempt(klass) && !asksItself(klass as typeof Room),
  );
}

/**
 * What a room's own auth says to a player of this home who comes by another door than matchmaking: asked
 * as there, with the host's token and the options that the connection brings; a payload, true or what is
 * as good as false. Throws to refuse, too.
 */
export async function askRoomAuth(
  room: Room,
  client: Client,
  options: unknown,
  context: AuthContext,
): Promise<unknown> {
  const { onAuth } = room.constructor as unknown as { onAuth: StaticOnAuth };
  const { token } = context;
  if (onAuth !== (Room as { onAuth: unknown }).onAuth) {
    const inner = wrappers.get(onAuth) ?? onAuth;
    const said = await inner.call(room.constructor, token as unknown as string, options, context);
    // As at the door: true is no payload, and leaves the word to the room itself.
    if (said !== true) return said;
  }
  if (room.onAuth === Room.prototype.onAuth) {
    // What the host asks everybody it has asked at the login: this is for its payload.
    const said = token === undefined ? true : await everybodysAuth(token, options, context);
    return typeof said === "object" && said !== null ? said : true;
  }
  return room.onAuth(client, options, context);
}

async function everybodysAuth(...args: Parameters<StaticOnAuth>): Promise<unknown> {
  try {
    return await theHooked().inner.apply(Room, args);
  } catch {
    // Hosts throw to refuse.
    return undefined;
  }
}

async function joinByPass(token: string, context: AuthContext): Promise<unknown> {
  return sealed(await theHooked().host.joinByPass(token, await roomNameOf(context)));
}

function sealed(result: SealedSeat | JoinRefusal): Readonly<Record<string, string>> {
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

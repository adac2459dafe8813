/** The eye that looks at the whole world after every step and says what must never be. */
import type { CrossingOutcome } from "../../src/custody/source/crossings.ts";
import { membersOf } from "../../src/custody/home/ledger-columns.ts";
import type { SeatedParty } from "../../src/custody/destination/seat-book.ts";
import { type LedgerRow } from "../../src/custody/home/ledger-row.ts";
import type { PlayerBody, PlayerSession } from "../../src/custody/shared/player-session.ts";
import type { VisitorRow } from "../../src/custody/holder/visitors.ts";
import type { Addresses } from "./addresses.ts";
import { type Carried, carriedOf, trophiesOf } from "./room.ts";
import type { PartyOutcome } from "../../src/custody/source/parties.ts";
import type { PartyAsked, SimulatedServer } from "./server.ts";
import { type Things, tellThings } from "./things.ts";
import { Violation } from "./violation.ts";
import type { DiskRow, World } from "./world.ts";

/** How long a server may take to give back, or lose, whom it holds and does not play. */
const ORPHAN_MILLISECONDS = 40_000;

/** How long a player may be played whose client has gone. */
const GHOST_MILLISECONDS = 40_000;
/** A lease, what clocks may differ, and an outage: what home has called back is home by then. */
const RECALL_MILLISECONDS = 180_000;
/** As the protocol has it. */
const PLEDGE_SECONDS = 30;
const TOMBSTONE = '{"damaged":true}';
const FIRST_CHANGE = 100_000;
const MAX_STATE_BYTES = 32 * 1024;
const MAX_STATE_DEPTH = 32;

/** Knows every durable row of every server as it is on disk, and every state that ever was. */
export class Watcher {
  readonly #world: World;
  readonly #servers: readonly SimulatedServer[];
  readonly #addresses: Addresses;
  /** What players give each other. */
  readonly #things: Things | undefined;
  readonly #rows = new Map<string, LedgerRow>();
  readonly #visitors = new Map<string, VisitorRow | undefined>();
  readonly #parents = new Map<number, number>();
  readonly #spent = new Map<number, number>();
  readonly #claimed = new Set<string>();
  readonly #stayed = new Set<string>();
  /** Transfers that were once open on disk. */
  readonly #opened = new Set<string>();
  readonly #orphans = new Map<string, number>();
  /** States that have not been home yet, by player: who recorded them, in which life. */
  readonly #owed = new Map<string, Map<number, { readonly by: string; readonly life: number }>>();
  /** Rows of players that home has called back, and since when. */
  readonly #recalled = new Map<string, number>();
  readonly #ghosts = new Map<PlayerSession, number>();
  /** Parties whose members are being let in, by their ids. */
  readonly #begun = new Map<
    string,
    {
      readonly at: number;
      readonly server: SimulatedServer;
      readonly life: number;
      readonly begun: Set<string>;
      readonly size: number;
    }
  >();
  /** Parties of whom all or nobody goes, by the transfers of their members. */
  readonly #parties = new Map<string, readonly string[]>();
  /** Transfers that were once pledged. */
  readonly #pledged = new Set<string>();
  /** Parties that have begun to play where they went, by their ids. */
  readonly #arrived = new Set<string>();
  /** The first change has as many digits as the last: no state grows by being changed. */
  #changes = FIRST_CHANGE;

  constructor(
    world: World,
    servers: readonly SimulatedServer[],
    addresses: Addresses,
    things?: Things,
  ) {
    this.#things = things;
    this.#world = world;
    this.#addresses = addresses;
    this.#servers = servers;
  }

  /**
   * Takes down a change of what a player carries, and which state it grew from. Without an item the
   * player puts down what it can do without.
   */
  grow(from: Carried | undefined, item: string | undefined, by?: string): Carried {
    this.#changes += 1;
    const id = this.#changes;
    if (from !== undefined) this.#parents.set(id, from.id);
    const world = this.#world;
    const spent = (from?.spent ?? FIRST_CHANGE) + 1;
    this.#spent.set(id, spent);
    const items = from?.items ?? [];
    const next: Carried = {
      ...from,
      id,
      spent,
      items: item === undefined ? [] : [...items, item].slice(-40),
    };
    if (item === undefined) {
      const own = by !== undefined && next[`trophy-${by}`] !== undefined;
      return { ...next, pad: "", ...(own ? { [`trophy-${by}`]: { n: id, text: "" } } : {}) };
    }
    const dice = world.random.fraction();
    let grown: Carried = next;
    if (dice < 0.06) grown = { ...next, pad: "x".repeat(world.between(0, 20_000)) };
    else if (dice < 0.12 && by !== undefined) {
      grown = { ...next, [`trophy-${by}`]: { n: id, text: trophyText(world) } };
    }
    // As its room has to see to: what would be too large is not picked up.
    return JSON.stringify(grown).length > MAX_STATE_BYTES ? { ...next, pad: "" } : grown;
  }

  /** Whatever is owed to a player is not owed any more. */
  disown(player: string): void {
    this.#owed.delete(this.#addresses.player(player));
  }

  /** A visitor's row was damaged, and let go of. */
  forgotten(origin: string, player: string): void {
    this.#visitors.delete(`${origin} visitor/${player}`);
  }

  /** A server has recorded a change of what a player carries. */
  owes(by: string, life: number, named: string, carried: Carried): void {
    const player = this.#addresses.player(named);
    const owed = this.#owed.get(player) ?? new Map<number, { by: string; life: number }>();
    this.#owed.set(player, owed);
    owed.set(carried.id, { by, life });
  }

  /** A server's memory is gone, and with it what only it knew. */
  died(origin: string, life: number): void {
    for (const owed of this.#owed.values()) {
      for (const [id, { by, life: theirs }] of owed) {
        if (by === origin && theirs === life) owed.delete(id);
      }
    }
  }

  /** Home's row of a player. */
  row(player: string): LedgerRow | undefined {
    const [localId = "", authority = ""] = this.#addresses.player(player).split("@");
    return this.#rows.get(`https://${authority} custody/${localId}`);
  }

  /** Every row of every home. */
  rows(): [home: string, row: LedgerRow][] {
    return [...this.#rows].map(([id, row]) => [id.slice(0, id.indexOf(" ")), row]);
  }

  /** After every event. @throws Violation */
  look(): void {
    for (const [id, text] of this.#world.written.splice(0)) {
      // What is damaged says nothing; the operator puts it right.
      if (text === TOMBSTONE) continue;
      if (id.includes(" visitor/")) {
        const before = this.#visitors.get(id);
        const visitor = text === "" ? undefined : (JSON.parse(text) as VisitorRow);
        this.#visitors.set(id, visitor);
        if (before !== undefined) this.#compareVisitor(id, before, visitor);
      } else if (text !== "") {
        const found = JSON.parse(text) as DiskRow;
        if (found.values["damaged"] !== undefined) continue;
        const key = id.slice(id.indexOf(" custody/") + " custody/".length);
        const stored = membersOf({ key, ...found }) as unknown as LedgerRow;
        const row = this.#addresses.row(stored);
        const before = this.#rows.get(id);
        this.#rows.set(id, row);
        if (row.transfer !== undefined) this.#opened.add(row.transfer.id);
        if ((row.transfer?.pledge?.until ?? 0) > 0) this.#pledged.add(row.transfer?.id ?? "");
        this.#world.note(
          () => `${id.replace("https://", "").replace(" custody/", " has ")} ${tell(row)}`,
        );
        if (before !== undefined) this.#compare(id, before, row);
        this.#things?.wrote(id, row);
        if (row.recalled !== true) this.#recalled.delete(id);
        else if (!this.#recalled.has(id)) this.#recalled.set(id, this.#world.now);
      }
    }
    this.#things?.look();
    this.#lookAtSessions();
    this.#lookAtParties();
  }

  /** Now and then. @throws Violation for custody that nobody has played or settled for long. */
  lookForOrphans(): void {
    this.#lookForGhosts();
    this.#lookForHostages();
    for (const [id, visitor] of this.#visitors) {
      const server = this.#servers.find(({ origin }) => id.startsWith(`${origin} `));
      const orphaned =
        visitor?.held?.phase === "held" &&
        server?.custody !== undefined &&
        !server.hung &&
        !server.storeAway &&
        server.custody.sessions.get(visitor.player) === undefined;
      if (!orphaned) {
        this.#orphans.delete(id);
        continue;
      }
      const since = this.#orphans.get(id) ?? this.#world.now;
      this.#orphans.set(id, since);
      if (this.#world.now - since > ORPHAN_MILLISECONDS) {
        throw new Violation(`${id} is held, but nobody plays it and nobody gives it back`);
      }
    }
  }

  /** Nobody is played whose client has gone. */
  #lookForGhosts(): void {
    const seen = new Set<PlayerSession>();
    for (const { custody, hung } of this.#servers) {
      for (const session of custody?.sessions.all() ?? []) {
        const { connected, joined } = session.body as PlayerBody & { readonly joined: boolean };
        const inside = connected && joined;
        if (inside || session.frozen || hung) continue;
        seen.add(session);
        const since = this.#ghosts.get(session) ?? this.#world.now;
        this.#ghosts.set(session, since);
        if (this.#world.now - since > GHOST_MILLISECONDS) {
          throw new Violation(
            `${session.player} is played, but its client ${session.body.connected ? "was never let in" : "has gone"}`,
          );
        }
      }
    }
    for (const session of [...this.#ghosts.keys()]) {
      if (!seen.has(session)) this.#ghosts.delete(session);
    }
  }

  /** Nobody plays for long whom home has called back, whatever its holder says to that. */
  #lookForHostages(): void {
    for (const [id, since] of this.#recalled) {
      const row = this.#rows.get(id);
      const holder = this.#servers.find(({ origin }) => origin === row?.holder);
      const player = `${row?.localId ?? ""}@${new URL(id.slice(0, id.indexOf(" "))).host}`;
      const session = this.#sessionsOf(player, holder).at(0);
      if (session === undefined || session.frozen || holder?.hung === true) continue;
      if (this.#world.now - since > RECALL_MILLISECONDS) {
        throw new Violation(
          `${player} was called back ${RECALL_MILLISECONDS / 1000} s ago, and still plays at ${holder?.authority ?? ""}`,
        );
      }
    }
  }

  /** A party has its seats. */
  partySeated({ members, ifSomeCannot }: PartyAsked): void {
    if (ifSomeCannot === "others") return;
    const all = members.map(({ transferId }) => transferId);
    for (const transferId of all) this.#parties.set(transferId, all);
  }

  /** A party has ended for its source. @throws Violation where it plays elsewhere without one of its members. */
  partyEnded({ partyId, members }: PartyOutcome): void {
    const left = members.find(({ outcome }) => outcome.kind === "stayed");
    if (left !== undefined && this.#arrived.has(partyId)) {
      throw new Violation(`a party plays elsewhere without ${left.player}, who stayed`);
    }
  }

  /**
   * A member of a party is let in. @throws Violation when not every member's claim is decided by then. All of them have
   * to be let in in this very turn: {@link look} sees to that after it.
   */
  partyBegins(
    { id, others, members }: SeatedParty,
    transferId: string,
    server: SimulatedServer,
  ): void {
    this.look();
    this.#arrived.add(id);
    if (others) return;
    const lacks = members.find((member) => !this.#claimed.has(member.transferId));
    if (lacks !== undefined) {
      throw new Violation(
        `a party begins to play at ${server.authority}, and the claim of ${lacks.player} is not decided`,
      );
    }
    const party = this.#begun.get(id) ?? {
      ...{ at: this.#world.now, life: server.life, begun: new Set<string>() },
      ...{ size: members.length, server },
    };
    this.#begun.set(id, party);
    party.begun.add(transferId);
  }

  /** Who of a party was let in, was let in together with all of it. */
  #lookAtParties(): void {
    for (const [id, { at, life, begun, size, server }] of this.#begun) {
      if (at === this.#world.now && begun.size < size) continue;
      this.#begun.delete(id);
      if (begun.size < size && server.life === life && server.up) {
        throw new Violation(
          `${begun.size} of a party of ${size} play at ${server.authority}, and the others do not`,
        );
      }
    }
  }

  /** The sessions of a player at a server, by whichever id. */
  #sessionsOf(player: string, server: SimulatedServer | undefined): readonly PlayerSession[] {
    const sessions = server?.custody?.sessions.all() ?? [];
    return sessions.filter((each) => this.#addresses.player(each.player) === player);
  }

  /** A client is told of its seat. @throws Violation when its departure is not on disk by then. */
  told(player: string, transferId: string): void {
    this.look();
    if (this.#opened.has(transferId)) return;
    throw new Violation(`${player} is told of a seat, and its departure is not on disk`);
  }

  /** A crossing has ended. @throws Violation when the outcome is not what home decided. */
  ended(outcome: CrossingOutcome): void {
    const { transferId, kind } = outcome;
    if (kind === "stayed") {
      this.#stayed.add(transferId);
      if (this.#claimed.has(transferId)) {
        throw new Violation(`a crossing "stayed" (${outcome.code}), but its claim was decided`);
      }
    }
  }

  /** Some time after the last fault. @throws Violation for custody that nobody plays. */
  settled(): void {
    for (const [id, visitor] of this.#visitors) {
      if (visitor?.held === undefined) continue;
      const origin = id.slice(0, id.indexOf(" "));
      const server = this.#servers.find((each) => each.origin === origin);
      const session = server?.custody?.sessions.get(visitor.player);
      if (session === undefined) {
        throw new Violation(
          `${server?.authority ?? origin} still has ${visitor.player} in its book (${visitor.held.phase}), and nobody plays it`,
        );
      }
    }
    this.#owedIsHome();
    this.#refusedAreDisliked();
  }

  /** After every home was started again. @throws Violation for a player's last crossing that is in no history. */
  startedAgain(): void {
    for (const [home, { localId, last }] of this.rows()) {
      if (last?.kind !== "claim") continue;
      const server = this.#servers.find(({ origin }) => origin === home);
      const kept = [...(server?.disk.keys() ?? []), ...(server?.rotted ?? [])];
      if (!kept.some((key) => key.startsWith(`receipt/${last.transferId.toLowerCase()}/`))) {
        throw new Violation(
          `${home} has no record of how ${localId} crossed by ${last.transferId}`,
        );
      }
    }
  }

  /** Nobody's state stays behind for another's sake. @throws Violation */
  #refusedAreDisliked(): void {
    if (this.#world.counts.lie > 0) return;
    for (const { disk, authority } of this.#servers) {
      for (const [key, { value }] of disk) {
        if (!key.startsWith("refused/")) continue;
        const state = carriedOf((JSON.parse(value) as { state: unknown }).state);
        if (state === undefined || this.#world.disliked.has(state.id)) continue;
        throw new Violation(`${authority} has kept ${key}, though home refused another's state`);
      }
    }
  }

  /** What was recorded is at home, or kept aside there because it came too late. @throws Violation */
  #owedIsHome(): void {
    for (const [player, owed] of this.#owed) {
      const [localId = "", authority = ""] = player.split("@");
      const home = this.#servers.find((server) => server.authority === authority);
      const late = [
        ...[...(home?.disk ?? [])].filter(([key]) => key.startsWith(`late/${localId}/`)),
        // What home would not take, its holder has kept.
        ...this.#servers.flatMap(({ disk }) =>
          [...disk].filter(([key]) => {
            const [kind, whose = ""] = key.split("/");
            return kind === "refused" && this.#addresses.player(whose) === player;
          }),
        ),
      ].map(([, { value }]) => carriedOf((JSON.parse(value) as { state: unknown }).state));
      // A player that plays now carries it where it plays.
      const carried = this.#servers.flatMap((server) =>
        this.#sessionsOf(player, server).map((session) => carriedOf(session.carry())),
      );
      for (const state of [...late, ...carried]) {
        for (let id = state?.id; id !== undefined; id = this.#parents.get(id)) owed.delete(id);
      }
      for (const [id, { by, life }] of owed) {
        throw new Violation(
          `${player} was given state ${id} at ${by} in its life ${life}, which did not crash, and home never got it`,
        );
      }
    }
  }

  #lookAtSessions(): void {
    const playing = new Map<string, string>();
    for (const server of this.#servers) {
      // Nobody simulates anything in a process that stands still.
      if (server.hung) continue;
      for (const session of server.custody?.sessions.all() ?? []) {
        if (session.frozen) continue;
        const player = this.#addresses.player(session.player);
        const elsewhere = playing.get(player);
        if (elsewhere !== undefined) {
          throw new Violation(
            `${session.player} is simulated at ${elsewhere} and at ${server.authority}`,
          );
        }
        playing.set(player, server.authority);
        const row = this.row(session.player);
        if (row === undefined) throw new Violation(`${session.player} plays without a row at home`);
        if (
          row.holder !== server.origin ||
          row.epoch !== session.epoch ||
          row.transfer !== undefined
        ) {
          throw new Violation(
            `${session.player} is simulated at ${server.authority}@${session.epoch}, but home has ${tell(row)}`,
          );
        }
        if (session.atHome) continue;
        const held = this.#visitors.get(`${server.origin} visitor/${session.player}`)?.held;
        if (held === undefined && server.custody?.visitors.isRecording(session.player)) continue;
        if (held?.phase !== "held" || held.epoch !== session.epoch) {
          throw new Violation(
            `${session.player} is simulated at ${server.authority}@${session.epoch}, but its book says ${held === undefined ? "nothing" : `${held.phase}@${held.epoch}`}`,
          );
        }
      }
    }
  }

  /** A server forgets a player, or goes over to another epoch, only after home has decided. */
  #compareVisitor(id: string, before: VisitorRow, after: VisitorRow | undefined): void {
    const { held } = before;
    if (after?.held.epoch === held.epoch) return;
    const origin = id.slice(0, id.indexOf(" "));
    const row = this.row(before.player);
    if (row?.holder === origin && row.epoch === held.epoch) {
      throw new Violation(
        `${id}: let go of at epoch ${held.epoch}, though home has decided nothing (${tell(row)})`,
      );
    }
  }

  /** Nothing of what home has is undone, replaced by something else, or gone without a word. */
  #compareStates(id: string, before: unknown, after: unknown): void {
    if (after === before || after === undefined) {
      if (before !== undefined && after === undefined)
        throw new Violation(`${id}: the state is gone`);
      return;
    }
    if (JSON.stringify(after).length > MAX_STATE_BYTES || depthOf(after) > MAX_STATE_DEPTH) {
      throw new Violation(`${id}: home keeps a state that no server can read`);
    }
    const now = carriedOf(after);
    const old = carriedOf(before);
    if (now !== undefined && now.spent !== this.#spent.get(now.id)) {
      throw new Violation(
        `${id}: state ${now.id} is there, but not all of it: a spending is undone`,
      );
    }
    if (typeof before === "object" && before !== null && !Array.isArray(before)) {
      if (typeof after !== "object" || after === null || Array.isArray(after)) {
        throw new Violation(
          `${id}: an object was replaced by ${JSON.stringify(after).slice(0, 40)}`,
        );
      }
    }
    for (const [name, trophy] of old === undefined ? [] : trophiesOf(old)) {
      const left = (after as Carried)[name];
      if (left === undefined || left.n < trophy.n) {
        throw new Violation(`${id}: ${name} is ${left === undefined ? "gone" : "an older one"}`);
      }
    }
  }

  /** A pledge is given once, for so long; while it stands, nobody but its destination decides. */
  #comparePledges(id: string, home: string, before: LedgerRow, after: LedgerRow): void {
    const seconds = (this.#servers.find(({ origin }) => origin === home)?.shows ?? 0) / 1000;
    const [old, now] = [before.transfer?.pledge, after.transfer?.pledge];
    if (now !== undefined && now.until > seconds + PLEDGE_SECONDS) {
      throw new Violation(`${id}: a pledge that stands for longer than any (${tell(after)})`);
    }
    if (old === undefined) return;
    if (after.transfer?.id === before.transfer?.id) {
      if (now !== undefined && now.until <= old.until) return;
      throw new Violation(`${id}: a pledge is given again, or gone (${tell(after)})`);
    }
    const claimed = after.last?.kind === "claim" && after.holder === before.transfer?.to;
    if (old.until > seconds && !claimed) {
      throw new Violation(`${id}: taken back while its party is being decided (${tell(after)})`);
    }
  }

  #compare(id: string, before: LedgerRow, after: LedgerRow): void {
    const home = id.slice(0, id.indexOf(" "));
    if (after.epoch < before.epoch) throw new Violation(`${id}: the epoch fell`);
    const decided =
      after.holder !== before.holder ||
      (before.transfer !== undefined && after.transfer?.id !== before.transfer.id);
    if (decided && after.epoch === before.epoch) {
      throw new Violation(`${id}: a decision that did not raise the epoch (${tell(after)})`);
    }
    if (
      after.holder !== before.holder &&
      after.holder !== home &&
      after.holder !== before.transfer?.to
    ) {
      throw new Violation(`${id}: ${after.holder} holds the player, but was not its destination`);
    }
    if (before.recalled === true && before.transfer === undefined && after.transfer !== undefined) {
      throw new Violation(`${id}: called back, and leaves for somewhere else (${tell(after)})`);
    }
    this.#comparePledges(id, home, before, after);
    if (after.last?.kind === "claim" && after.last.epoch === after.epoch) {
      this.#claimed.add(after.last.transferId);
      const party = this.#parties.get(after.last.transferId) ?? [];
      const lacks = party.find((transferId) => !this.#pledged.has(transferId));
      if (lacks !== undefined) {
        throw new Violation(`${id}: claimed, and a member of its party is not pledged`);
      }
      if (this.#stayed.has(after.last.transferId)) {
        throw new Violation(`${id}: claimed after the source had said that it stayed`);
      }
    }
    this.#compareStates(id, before.state, after.state);
    const [old, now] = [carriedOf(before.state), carriedOf(after.state)];
    const owed = this.#owed.get(`${after.localId}@${new URL(home).host}`);
    for (
      let each = now?.id;
      owed !== undefined && each !== undefined;
      each = this.#parents.get(each)
    ) {
      if (each === old?.id) break;
      owed.delete(each);
    }
    if (old === undefined || now === undefined || old.id === now.id) return;
    for (let each: number | undefined = now.id; each !== old.id; each = this.#parents.get(each)) {
      if (each === undefined || each < old.id) {
        throw new Violation(`${id}: state ${now.id} did not grow from state ${old.id}: a fork`);
      }
    }
  }
}

/** A text, or something that nests. */
function trophyText(world: World): unknown {
  if (world.random.fraction() < 0.7) return "t".repeat(world.between(0, 9_000));
  let text: unknown = "deep";
  for (let left = Math.floor(world.between(1, 28)); left > 0; left -= 1) text = { in: text };
  return text;
}

function depthOf(value: unknown): number {
  return typeof value === "object" && value !== null
    ? 1 + Math.max(0, ...Object.values(value).map(depthOf))
    : 0;
}

/** A row in a few words. */
export function tell(row: LedgerRow): string {
  const at = `${new URL(row.holder).host}@${row.epoch}`;
  const state = carriedOf(row.state)?.id;
  const open = row.transfer === undefined ? "" : `, leaving for ${new URL(row.transfer.to).host}`;
  const things = tellThings(row);
  return `${row.localId} at ${at}${open}${state === undefined ? "" : `, state ${state}`}${things}`;
}

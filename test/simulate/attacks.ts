/**
 * What dishonest operators of trusted servers try: every attempt has to be refused.
 *
 * `https://mallory.example` is a trusted peer that holds nobody and that nobody travels to; the
 * other attempts come from an honest-looking server's own operator.
 */
import { type PassClaims, issuePass } from "../../src/identity/pass.ts";
import { issueTrade } from "../../src/identity/trade.ts";
import { inventoryOf, itemIdOf } from "../../src/custody/home/trade-items.ts";
import type { SimulatedServer } from "./server.ts";
import type { Trading } from "./trading.ts";
import { EPOCH, type World } from "./world.ts";
import type { Watcher } from "./watcher.ts";

const MALLORY = "https://mallory.example";
/** Where Mallory would send players. */
const ACCOMPLICE = "https://accomplice.example";

interface SeenSeat {
  readonly caller: string;
  readonly body: { readonly transferId: string; readonly pass: string; readonly world: string };
  readonly to: SimulatedServer;
  /** The destination's. */
  readonly life: number;
}

/** Tries things that must not work. */
export class Attacks {
  readonly #world: World;
  readonly #servers: readonly SimulatedServer[];
  readonly #watcher: Watcher;
  readonly #violate: (what: string) => void;
  readonly #parties: boolean;
  readonly #trading: Trading | undefined;
  #seen: SeenSeat | undefined;
  tried = 0;

  constructor(
    world: World,
    servers: readonly SimulatedServer[],
    watcher: Watcher,
    violate: (what: string) => void,
    { parties, trading }: { readonly parties: boolean; readonly trading: Trading | undefined },
  ) {
    this.#trading = trading;
    this.#parties = parties;
    this.#world = world;
    this.#servers = servers;
    this.#watcher = watcher;
    this.#violate = violate;
  }

  /** A seat was given: its pass is known to source and destination. */
  seated(caller: string, body: unknown, to: SimulatedServer): void {
    this.#seen = { caller, body: body as SeenSeat["body"], to, life: to.life };
  }

  async goOn(everyMilliseconds: number): Promise<void> {
    for (;;) {
      await this.#world.sleep(this.#world.between(0, 2 * everyMilliseconds));
      await this.#attack();
    }
  }

  async #attack(): Promise<void> {
    const what = this.#world.pick([
      this.#otherAudience,
      this.#stolenPass,
      this.#usedPass,
      this.#forgedPass,
      this.#wrongDoor,
      this.#notTheHolder,
      this.#notTheHome,
      ...(this.#parties ? [this.#notTheParty] : []),
      ...(this.#trading === undefined ? [] : [this.#notTheGiver, this.#notTheGiversHome]),
    ]);
    await what();
  }

  /** A source takes a pass to another server than the one it is for. */
  readonly #otherAudience = async (): Promise<void> => {
    const seen = this.#seen;
    if (seen === undefined) return;
    const others = this.#servers.filter((server) => server !== seen.to);
    await this.#refused("a pass for another server", this.#world.pick(others), seen.caller, [
      "/reservations",
      seen.body,
    ]);
  };

  /** Somebody else than the source presents a pass it has got hold of. */
  readonly #stolenPass = async (): Promise<void> => {
    const seen = this.#seen;
    if (seen === undefined) return;
    await this.#refused("a stolen pass", seen.to, MALLORY, ["/reservations", seen.body]);
  };

  /** A home issues a pass that has been used, for another transfer. */
  readonly #usedPass = async (): Promise<void> => {
    const seen = this.#seen;
    if (seen === undefined) return;
    const claims = claimsOf(seen.body.pass);
    const issuer = this.#servers.find(({ address }) => address === claims.iss);
    // A destination that keeps seats in memory forgets with them what they were given for.
    if (seen.to.alone && seen.to.life !== seen.life) return;
    // Another source's first use would be the honest one.
    if (issuer === undefined || claims.exp * 1000 < EPOCH + this.#world.now) return;
    const xfer = this.#world.random.uuid();
    const pass = await issuePass({ ...claims, xfer }, issuer.key);
    await this.#refused("a used pass", seen.to, seen.caller, [
      "/reservations",
      { ...seen.body, transferId: xfer, pass },
    ]);
  };

  /** A server writes a pass for another home's player by itself. */
  readonly #forgedPass = async (): Promise<void> => {
    const seen = this.#seen;
    if (seen === undefined) return;
    const claims = claimsOf(seen.body.pass);
    const issuer = this.#servers.find(({ address }) => address === claims.iss);
    const forger = this.#servers.find(({ address }) => address !== claims.iss);
    if (issuer === undefined || forger === undefined) return;
    const [xfer, jti] = [this.#world.random.uuid(), this.#world.random.uuid()];
    const now = Math.floor((EPOCH + this.#world.now) / 1000);
    const pass = await issuePass(
      { ...claims, xfer, jti, src: MALLORY, iat: now, exp: now + 60 },
      { ...forger.key, kid: issuer.key.kid },
    );
    await this.#refused("a forged pass", seen.to, MALLORY, [
      "/reservations",
      { ...seen.body, transferId: xfer, pass },
    ]);
  };

  /** A server claims a transfer that leads to another one. */
  readonly #wrongDoor = async (): Promise<void> => {
    const open = this.#watcher.rows().filter(([, row]) => row.transfer !== undefined);
    if (open.length === 0) return;
    const [home, row] = this.#world.pick(open);
    const server = this.#servers.find(({ origin }) => origin === home);
    await this.#refused("a claim by another server", server, MALLORY, [
      "/custody/claim",
      { transferId: row.transfer?.id ?? "" },
    ]);
  };

  /** A server decides about a player that it does not hold. */
  readonly #notTheHolder = async (): Promise<void> => {
    const rows = this.#watcher.rows();
    if (rows.length === 0) return;
    const [home, row] = this.#world.pick(rows);
    const server = this.#servers.find(({ origin }) => origin === home);
    const player = `${row.localId}@${new URL(home).host}`;
    const transferId = row.transfer?.id ?? this.#world.random.uuid();
    const { epoch } = row;
    await this.#refused("a call by somebody who is not the holder", server, MALLORY, [
      ...this.#world.pick<[string, unknown]>([
        ["/custody/depart", { transferId, player, epoch, to: ACCOMPLICE, world: "world" }],
        ["/custody/cancel", { transferId, player, epoch }],
        ["/custody/return", { player, epoch }],
      ]),
    ]);
  };

  /** A server has a transfer pledged that leads to another one. */
  readonly #notTheParty = async (): Promise<void> => {
    const open = this.#watcher.rows().filter(([, row]) => row.transfer !== undefined);
    if (open.length === 0) return;
    const [home, row] = this.#world.pick(open);
    const server = this.#servers.find(({ origin }) => origin === home);
    const transferId = row.transfer?.id ?? "";
    const partyId = this.#world.random.uuid();
    const path = "/custody/pledge";
    const destination = this.#servers.find(({ origin }) => origin === row.transfer?.to);
    // Its destination may: it pledges for no party that there is, and never claims by that. Its player waits for it.
    if (this.#world.faults.loss > 0 && this.#world.random.fraction() < 0.2) {
      void destination?.call(home, path, { transferId, partyId }).catch(() => undefined);
      return;
    }
    const body = { transferId, partyId };
    await this.#refused("a pledge for another server", server, MALLORY, [path, body]);
  };

  /** A server gives away what a player has that it does not hold, or that has not signed it. */
  readonly #notTheGiver = async (): Promise<void> => {
    const trading = this.#trading;
    const rows = this.#watcher
      .rows()
      .filter(([, { state, jkt }]) => jkt !== undefined && (inventoryOf(state) ?? []).length > 0);
    if (trading === undefined || rows.length === 0) return;
    const [name, row] = this.#world.pick(rows);
    const home = this.#servers.find(({ origin }) => origin === name);
    const holder = this.#servers.find(({ origin }) => origin === row.holder);
    if (home === undefined || holder === undefined) return;
    const item = itemIdOf(this.#world.pick(inventoryOf(row.state) ?? [])) ?? "";
    const gift = {
      ...{ tradeId: this.#world.random.uuid(), item },
      ...{ to: `mallory@${new URL(MALLORY).host}`, toHome: MALLORY },
    };
    const giver = { name: row.localId, home };
    const thief = this.#world.random.fraction() < 0.5;
    const signed = thief ? trading.signed(giver, gift, holder.key) : trading.signed(giver, gift);
    const player = `${row.localId}@${new URL(home.address).host}`;
    await this.#refused("a gift of nobody's", home, thief ? holder.address : MALLORY, [
      "/custody/offer",
      { ...signed, player, epoch: row.epoch },
    ]);
  };

  /** A server hands over what a player of another home has, by its own word. */
  readonly #notTheGiversHome = async (): Promise<void> => {
    const rows = this.#watcher.rows();
    if (rows.length === 0) return;
    const [name, row] = this.#world.pick(rows);
    const home = this.#servers.find(({ origin }) => origin === name);
    const others = this.#servers.filter((server) => server !== home);
    const [forger, giver] = [this.#world.pick(others), this.#world.pick(this.#servers)];
    if (home === undefined || forger === giver) return;
    const iat = Math.floor((EPOCH + this.#world.now) / 1000);
    const claims = {
      ...{ iss: this.#world.pick([forger, giver]).address, trade: this.#world.random.uuid() },
      ...{ from: `p0@${new URL(giver.address).host}`, item: { id: "forged" }, iat, exp: iat + 60 },
      to: `${row.localId}@${new URL(home.address).host}`,
    };
    const trade = await issueTrade(claims, forger.key);
    await this.#refused("a thing of another home's player", home, forger.address, [
      "/custody/trade",
      { trade },
    ]);
  };

  /** A server that is not the player's home calls it back. */
  readonly #notTheHome = async (): Promise<void> => {
    const away = this.#watcher.rows().filter(([home, row]) => row.holder !== home);
    if (away.length === 0) return;
    const [home, row] = this.#world.pick(away);
    const holder = this.#servers.find(({ origin }) => origin === row.holder);
    const player = `${row.localId}@${new URL(home).host}`;
    await this.#refused("a recall by a server that is not home", holder, MALLORY, [
      "/custody/revoke",
      { player, epoch: row.epoch },
    ]);
  };

  async #refused(
    what: string,
    server: SimulatedServer | undefined,
    caller: string,
    [path, body]: [path: string, body: unknown],
  ): Promise<void> {
    this.tried += 1;
    const created = Math.floor((EPOCH + this.#world.now) / 1000);
    const sent = JSON.parse(JSON.stringify(body)) as unknown;
    // A server that dies meanwhile never answers.
    const answer = await Promise.race([
      server?.answer(caller, path, sent, created),
      this.#world.sleep(5_000),
    ]);
    if (answer?.ok === true) this.#violate(`${what} was taken by ${server?.authority ?? "?"}`);
  }
}

function claimsOf(pass: string): PassClaims {
  const payload = Buffer.from(pass.split(".")[1] ?? "", "base64url").toString("utf8");
  return JSON.parse(payload) as PassClaims;
}

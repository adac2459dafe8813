/** Players of a fake peer: those at home there, and those who visit it. */
import type { Custody } from "../custody/custody.ts";
import type { SeatClaim } from "../custody/destination/seat-host.ts";
import type {
  PlayerBody,
  PlayerSession,
  TransitMessage,
} from "../custody/shared/player-session.ts";
import type { FederationErrorCode } from "../errors.ts";
import type { JsonValue } from "../json.ts";
import type { RoutingTable } from "../routing/routing-table.ts";
import { type Patience, until } from "./waiting.ts";

/** What a peer lends its players. */
export interface FakeHome {
  readonly now: () => number;
  readonly origin: string;
  readonly custody: Custody;
  readonly routes: RoutingTable;
}

/** Proves that it has its key, as a `PlayerKey` of `aether-federation/client` does. */
export interface ProvingKey {
  thumbprint(): Promise<string>;
  prove(audience: string, use: { readonly seat: string }): Promise<string>;
}

/** A place where nobody looks: it carries what the test says. */
class TestBody implements PlayerBody {
  readonly connected = true;
  carried: JsonValue | undefined;
  ended: { readonly code: FederationErrorCode | undefined; readonly reason: string } | undefined;
  transited: TransitMessage | undefined;
  failure: { readonly code: FederationErrorCode; readonly message: string } | undefined;

  constructor(carried: JsonValue | undefined) {
    this.carried = carried;
  }

  carry(): JsonValue | undefined {
    return this.carried;
  }

  setFrozen(): void {
    // A test plays nobody.
  }

  transit(message: TransitMessage): void {
    this.transited = message;
  }

  failed(failure: { readonly code: FederationErrorCode; readonly message: string }): void {
    this.failure = failure;
  }

  undecided(): void {
    // What becomes of it is told by `failed`, or by the end.
  }

  end(code: FederationErrorCode | undefined, reason: string): void {
    this.ended ??= { code, reason };
  }
}

/** A player whose home is a fake peer. */
export class FakePlayer {
  /** `<local id>@<authority of the peer>`. */
  readonly id: string;
  readonly key: ProvingKey | undefined;
  readonly #localId: string;
  readonly #home: FakeHome;

  constructor(home: FakeHome, localId: string, key: ProvingKey | undefined) {
    this.#home = home;
    this.#localId = localId;
    this.id = `${localId}@${new URL(home.origin).host}`;
    this.key = key;
  }

  /** Origin of the server that has the player. */
  async holder(): Promise<string> {
    return (await this.#row()).holder;
  }

  /** What home knows that it carries. */
  async carried(): Promise<JsonValue | undefined> {
    return (await this.#row()).state;
  }

  /**
   * Lets it depart for a world of a server: a pass, good for a minute and one seat.
   *
   * @throws Error when home does not let it go, because it is away for one.
   */
  async pass(to: {
    readonly origin: string;
    readonly world: string;
  }): Promise<{ readonly pass: string; readonly transferId: string }> {
    const { epoch, state } = await this.#row();
    const transferId = crypto.randomUUID();
    const answer = await this.#home.custody.answer(
      this.#home.origin,
      "depart",
      {
        ...{ transferId, player: this.id, epoch, to: to.origin, world: to.world },
        ...(state === undefined ? {} : { state }),
      },
      Math.floor(this.#home.now() / 1000),
    );
    if (!answer.ok) throw new Error(`${this.id} cannot depart: ${answer.code}: ${answer.reason}`);
    const { pass } = answer.body as { readonly pass: string };
    return { pass, transferId };
  }

  /**
   * Walks through a portal of the peer: the whole crossing, seat included, as a client is told of it. Take
   * the seat with `client.consumeSeatReservation(transit.reservation)`.
   *
   * @throws Error with the code, when it stays.
   */
  async enter(uri: string, patience?: Patience): Promise<TransitMessage> {
    const resolved = this.#home.routes.resolve(uri);
    if (resolved === undefined) {
      throw new TypeError(`${uri} leads to no server that the peer is connected with`);
    }
    const { origin, world, options } = resolved;
    const body = new TestBody(await this.carried());
    const session = await this.#login(body);
    void this.#home.custody.crossings.cross(session, { uri, origin, world, options });
    const { transited, failure } = await until(
      `${this.id} is sent through ${uri}`,
      () => (body.transited ?? body.failure) && body,
      patience,
    );
    if (transited !== undefined) return transited;
    throw new Error(`${this.id} stays: ${failure?.code ?? ""}: ${failure?.message ?? ""}`);
  }

  /**
   * Waits until it is home again; what it carries then.
   *
   * @throws Error when it does not come in time.
   */
  async returned(patience?: Patience): Promise<JsonValue | undefined> {
    const row = await until(
      `${this.id} comes home`,
      async () => {
        const now = await this.#row();
        const home = now.holder === this.#home.origin && now.transfer === undefined;
        return home ? now : undefined;
      },
      patience,
    );
    return row.state;
  }

  /**
   * Calls it back from wherever it is, as a login at home does; what it carries then.
   *
   * @throws Error with the code, when its holder does not let go.
   */
  async recall(): Promise<JsonValue | undefined> {
    const body = new TestBody(undefined);
    const session = await this.#login(body);
    await this.#home.custody.leave(session, body.carried);
    return body.carried;
  }

  async #login(body: TestBody): Promise<PlayerSession> {
    const { name, jkt } = await this.#row();
    const known = { name, jkt, guest: false };
    const login = await this.#home.custody.login(this.#localId, known, body);
    if (!login.ok) throw new Error(`${this.id} cannot come home: ${login.code}: ${login.reason}`);
    body.carried = login.state;
    return login.session;
  }

  async #row() {
    const row = await this.#home.custody.ledger.row(this.#localId);
    if (row === undefined) throw new Error(`${this.id} is not known at home`);
    return row;
  }
}

/** A player that visits a fake peer. */
export class FakeVisitor {
  readonly id: string;
  /** Origin it came from. */
  readonly from: string;
  readonly name: string;
  readonly #custody: Custody;
  readonly #session: PlayerSession;
  readonly #body: TestBody;

  private constructor(
    custody: Custody,
    session: PlayerSession,
    { body, from }: { readonly body: TestBody; readonly from: string },
  ) {
    this.#custody = custody;
    this.#session = session;
    this.#body = body;
    this.id = session.player;
    this.name = session.name;
    this.from = from;
  }

  /** What it carries: a test may put in what it likes. */
  get carried(): JsonValue | undefined {
    return this.#body.carried;
  }

  set carried(carried: JsonValue | undefined) {
    this.#body.carried = carried;
  }

  /** Why it is not here any more, where it was called back; undefined while it is. */
  get ended():
    { readonly code: FederationErrorCode | undefined; readonly reason: string } | undefined {
    return this.#body.ended;
  }

  /** Goes home with what it carries; resolves once home has it, or cannot be reached. */
  async leave(): Promise<void> {
    await this.#custody.leave(this.#session, this.#body.carried);
    await this.#custody.settlement.settle(this.id);
  }

  /** The client of a seat has come. @throws Error with home's refusal. */
  static async claim(
    custody: Custody,
    { claim, sessionId }: { readonly claim: SeatClaim; readonly sessionId: string },
  ): Promise<FakeVisitor> {
    const seat = await custody.seats.find(claim, sessionId);
    if (seat === undefined) throw new Error(`the seat of ${claim.player} is gone`);
    const claimed = await custody.arrivals.claim(claim, seat);
    if (!claimed.ok) {
      throw new Error(`home does not give ${claim.player}: ${claimed.code}: ${claimed.reason}`);
    }
    const { arrival } = claimed;
    const body = new TestBody(arrival.state);
    const session = custody.arrivals.begin(arrival, body);
    return new FakeVisitor(custody, session, { body, from: arrival.from });
  }
}

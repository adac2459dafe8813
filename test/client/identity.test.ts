import assert from "node:assert/strict";
import {
  type KeyStorage,
  PlayerKey,
  Traveler,
  type TravelerOptions,
} from "aether-federation/client";
import { Identity } from "../../src/client/identity.ts";
import { Whereabouts } from "../../src/client/whereabouts.ts";
import { memoryStorage } from "../support/memory-storage.ts";

const HOME = "https://home.example";
const KEY = "aether-federation:player-key";

describe("client/identity", () => {
  describe("the address of home", () => {
    const same = [
      ["https://home.example", "https://home.example/"],
      ["HTTPS://HOME.example:443/", "wss://home.example", "https://home.example/game?x=1#y"],
      [new URL("https://home.example/x"), " https://home.example "],
    ].flat();
    for (const address of same) {
      it(`takes ${JSON.stringify(address)} for ${HOME}`, () => {
        assert.equal(new Traveler(address, { storage: null }).home, HOME);
      });
    }

    it("takes ws: for http:", () => {
      assert.equal(new Traveler("ws://localhost:2567").home, "http://localhost:2567");
    });

    for (const address of ["localhost:2567", "home.example", "", "/", "ftp://home.example"]) {
      it(`says what is expected instead of ${JSON.stringify(address)}`, () => {
        assert.throws(() => new Traveler(address), {
          name: "TypeError",
          message: /must be the URL of the player's home server, e\.g\./u,
        });
      });
    }

    const identity = (home: string): Identity => new Identity(home, { storage: memoryStorage() });
    const saying = (origin: string | undefined): Whereabouts =>
      Object.assign(new Whereabouts(() => Promise.reject(new Error("nothing is needed"))), {
        nameOf: () => Promise.resolve(origin),
      });
    const { signal } = new AbortController();

    it("is home's own name on the same machine and port", async () => {
      for (const alias of ["127.0.0.1", "127.8.8.8", "[::1]", "game.localhost"]) {
        const player = identity(`http://${alias}:2567`);
        await player.findHome(saying("http://localhost:2567"), signal);
        assert.equal(player.home, "http://localhost:2567");
      }
    });

    // Whoever answers there could pass the proof on to the server that it names.
    const others = [
      ["https://home.example", "https://bank.example"],
      ["http://127.0.0.1:2567", "http://localhost:2568"],
      ["http://127.0.0.1:2567", "https://localhost:2567"],
      ["http://127.0.0.1.evil.example:2567", "http://localhost:2567"],
      ["http://localhost.evil.example:2567", "http://localhost:2567"],
      ["http://localhost:2567", "http://192.168.0.1:2567"],
    ] as const;
    for (const [home, says] of others) {
      it(`is refused where ${home} says that it is ${says}, in a sentence`, async () => {
        const player = identity(home);
        await assert.rejects(player.findHome(saying(says), signal), {
          message: `ERR_FED_WRONG_RECIPIENT: the server at ${home} says that it is ${says}: log in there.`,
        });
        assert.equal(player.home, home);
      });
    }

    it("stays as it is while home does not say", async () => {
      const player = identity(HOME);
      await player.findHome(saying(undefined), signal);
      assert.equal(player.home, HOME);
    });
  });

  describe("storage that gives trouble", () => {
    const denied = (): never => {
      throw new Error("denied");
    };
    const troubles: readonly [string, KeyStorage][] = [
      ["throws when it is read", { getItem: denied, setItem: () => undefined }],
      ["throws when it is written", { getItem: () => null, setItem: denied }],
      ["holds something else", { getItem: () => "no key", setItem: denied }],
      ["answers later", { getItem: () => Promise.resolve(null) as never, setItem: denied }],
    ];
    for (const [how, storage] of troubles) {
      it(`leaves the player a key of its own where it ${how}, and says so once`, async () => {
        const traveler = new Traveler("http://localhost:9", { storage, placeStorage: null });
        const heard: string[] = [];
        traveler.onStorageTrouble(({ message, cause }) => {
          assert.ok(cause instanceof Error);
          heard.push(message);
        });
        for (let times = 0; times < 2; times += 1) await assert.rejects(traveler.join("plaza"));
        assert.equal(heard.length, 1);
        assert.match(heard[0] ?? "", /cannot be kept here/u);
        assert.equal(typeof (await traveler.prove("shop")), "string", "it is no guest");
      });
    }

    it("is said on the console where nobody listens", async () => {
      const { warn } = console;
      const said: unknown[] = [];
      console.warn = (...words: unknown[]) => said.push(words[0]);
      try {
        const [, storage] = troubles[0]!;
        const traveler = new Traveler("http://localhost:9", { storage, placeStorage: null });
        await assert.rejects(traveler.join("plaza"));
      } finally {
        console.warn = warn;
      }
      assert.match(String(said), /cannot be kept here/u);
    });

    it("never writes over what is kept", () => {
      const storage = memoryStorage();
      storage.setItem(KEY, "no key");
      new Traveler(HOME, { storage });
      assert.equal(storage.getItem(KEY), "no key");
      assert.throws(() => PlayerKey.load(storage), /no player's key/u);
    });

    it("takes a browser's that is null for none, and makes no guest of the player", async () => {
      const had = Object.getOwnPropertyDescriptor(globalThis, "localStorage");
      Object.defineProperty(globalThis, "localStorage", { configurable: true, value: null });
      try {
        assert.equal(typeof (await new Traveler(HOME).prove("shop")), "string");
      } finally {
        if (had === undefined) delete (globalThis as { localStorage?: unknown }).localStorage;
        else Object.defineProperty(globalThis, "localStorage", had);
      }
    });

    for (const option of ["storage", "placeStorage"] as const) {
      it(`says so when ${option} is none`, () => {
        const options: TravelerOptions = { [option]: new Map() };
        assert.throws(() => new Traveler(HOME, options), new RegExp(`^TypeError: ${option}`, "u"));
      });
    }
  });

  describe("the time of a server", () => {
    const refusal = (seconds: number): Error =>
      new Error(
        `ERR_FED_PROOF_INVALID: the proof has expired: this server's clock says ${seconds}`,
      );
    const issued = async (player: Identity, origin: string): Promise<number> => {
      const [, claims = ""] = (await player.prove(origin, "login"))!.split(".");
      return (JSON.parse(Buffer.from(claims, "base64url").toString()) as { iat: number }).iat;
    };
    const now = (): number => Math.floor(Date.now() / 1000);

    it("counts for its own proofs, and for nobody else's", async () => {
      const player = new Identity(HOME, { storage: memoryStorage() });
      assert.equal(player.learnTime(HOME, refusal(now() + 600)), true);
      assert.ok(Math.abs((await issued(player, HOME)) - now() - 600) <= 1);
      assert.ok(Math.abs((await issued(player, "https://away.example")) - now()) <= 1);
    });

    it("is worth another try once only, unless it says otherwise", () => {
      const player = new Identity(HOME, { storage: memoryStorage() });
      assert.equal(player.learnTime(HOME, refusal(now() - 600)), true);
      assert.equal(player.learnTime(HOME, refusal(now() - 600)), false);
      assert.equal(player.learnTime(HOME, refusal(now())), true);
    });

    it("is heard in no other refusal", () => {
      const player = new Identity(HOME, { storage: memoryStorage() });
      for (const error of [
        new Error("ERR_FED_AWAY: this server's clock says 1"),
        new Error(`this server's clock says ${now() + 600}`),
        new Error("ERR_FED_PROOF_INVALID: the proof is for another server"),
        refusal(Number.NaN),
        undefined,
      ]) {
        assert.equal(player.learnTime(HOME, error), false);
      }
    });
  });

  it("proves for a purpose that can be one, and for no other", async () => {
    const traveler = new Traveler(HOME, { storage: memoryStorage() });
    assert.equal(typeof (await traveler.prove("a_b-1")), "string");
    for (const purpose of ["", "a b", "é", "x".repeat(65)]) {
      await assert.rejects(traveler.prove(purpose), /^TypeError: purpose must be/u);
    }
    assert.equal(await new Traveler(HOME, { storage: null }).prove("shop"), undefined);
  });

  it("takes a text or a function for a token, and nothing else", () => {
    assert.throws(() => new Traveler(HOME, { token: 7 as never }), /^TypeError: token must be/u);
  });
});

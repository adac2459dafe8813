/**
 * Every command: how it is called, what `--help` says of it, and what carries it out, which is loaded only
 * when it is asked for.
 */
import type { TrustRoles } from "../registry/federated-server.ts";
import type { Deployment } from "./deployment.ts";
import type { CommandOption, Given } from "./given.ts";
import { CommandError, type CommandResult, EXIT } from "./output.ts";

/** One command. */
export interface Command {
  /** `peers approve`. */
  readonly words: readonly [group: string, verb?: string];
  /** The words behind it: `<origin>`, or `[origin]` where it may be left out; several with a blank between. */
  readonly takes?: string;
  /** What to do where the word is missing. */
  readonly needs?: string;
  readonly tells: string;
  readonly options?: Readonly<Record<string, CommandOption>>;
  /** Command line, without the program's name → what it does. */
  readonly examples?: readonly (readonly [string, string])[];
  readonly run: (given: Given) => Promise<CommandResult>;
}

/** What the commands of one first word are about. */
export const GROUPS: Readonly<Record<string, string>> = {
  keys: "the keys of this server",
  peers: "other servers, and how far they are trusted",
  routes: "where portals lead",
  players: "players of this server, and visitors",
  assets: "files that this server owns or has fetched",
  audit: "the log of decisions",
};

const flag = (tells: string, excludes?: string): CommandOption => ({
  type: "flag",
  tells,
  ...(excludes === undefined ? {} : { excludes }),
});
const text = (tells: string): CommandOption => ({ type: "text", tells });
const texts = (tells: string): CommandOption => ({ type: "texts", tells });

/** Options of every command. */
export const COMMON_OPTIONS: Readonly<Record<string, CommandOption>> = {
  data: text("the server's data folder (default: .federation)"),
  store: text("its store, where that is redis://… or postgres://… (or AETHER_STORE)"),
  json: flag("answer in JSON, for scripts"),
};

async function within(
  given: Given,
  work: (deployment: Deployment) => Promise<CommandResult>,
): Promise<CommandResult> {
  const { withDeployment } = await import("./deployment.ts");
  return withDeployment(given.place, work);
}

/** Whether a folder or a store of a server was named, or is where it is looked for. */
async function hasServer(given: Given): Promise<boolean> {
  const { isPlaceOfServer } = await import("./store-place.ts");
  return given.text("data") !== undefined || isPlaceOfServer(given.place);
}

const keys = () => import("./keys.ts");
const peers = () => import("./peers.ts");
const players = () => import("./players.ts");
const assets = () => import("./assets.ts");
const routes = () => import("./routes.ts");

const ASSETS_OPTION = {
  assets: text("where the files are (default: assets, in the data folder)"),
} as const;
const AFTER_DAYS = text("how long it has to have been silent, 7–90 (default: 30)");
const PLAYER_NEEDED = "name the player (<local id>@<home>)";

function rolesOf(given: Given): TrustRoles {
  return { inbound: !given.flag("outbound-only"), outbound: !given.flag("inbound-only") };
}

function peerCommand(
  verb: "approve" | "block" | "unblock" | "remove" | "retry",
  more: Pick<Command, "tells" | "options" | "examples"> & { readonly takes?: string },
): Command {
  return {
    words: ["peers", verb],
    takes: "<origin>",
    needs: `name the peer to ${verb}`,
    ...more,
    run: (given) =>
      within(given, async (deployment) => {
        const { decidePeer } = await peers();
        const named = given.word((more.takes ?? "<origin>").slice(1, -1));
        return decidePeer(deployment, verb, named, rolesOf(given), given.texts("key"));
      }),
  };
}

function assetCommand(
  verb: "list" | "quarantine" | "release" | "purge",
  more: Pick<Command, "tells" | "takes">,
): Command {
  return {
    words: ["assets", verb],
    ...(more.takes === undefined
      ? {}
      : { needs: `name the item to ${verb} (see assets quarantine)` }),
    ...more,
    options: ASSETS_OPTION,
    run: async (given) => {
      const { assetsFolder, manageAssets } = await assets();
      const folder = assetsFolder(given.place.data, given.text("assets"));
      return manageAssets(folder, verb, given.text("item"));
    },
  };
}

/** Every command, in the order in which `--help` lists them. */
export const COMMANDS: readonly Command[] = [
  {
    words: ["status"],
    tells: "what is wrong, and what to do about it",
    options: ASSETS_OPTION,
    examples: [
      ["status", "exit code 0: all is well; 1: there is trouble"],
      ["status --json", "the same for a script"],
    ],
    run: (given) =>
      within(given, async (deployment) => {
        const { showStatus } = await import("./status.ts");
        const { assetsFolder } = await assets();
        return showStatus(deployment, assetsFolder(given.place.data, given.text("assets")));
      }),
  },
  {
    words: ["init"],
    takes: "[file]",
    tells: "put a federation into the game server of this folder",
    options: {
      origin: text("where players and peers reach it"),
      peer: texts("a server that it trusts (several: --peer a --peer b)"),
    },
    examples: [
      ["init", "finds the file that makes the server"],
      [
        "init --origin https://worlds.example.com --peer https://arena.example.org",
        "as it will be reached, with a peer",
      ],
    ],
    run: async (given) => {
      const { initialise } = await import("./init.ts");
      return initialise({
        folder: ".",
        file: given.text("file"),
        origin: given.text("origin"),
        peers: given.texts("peer") ?? [],
      });
    },
  },
  {
    words: ["keys", "show"],
    tells: "key ids of this server",
    run: (given) => within(given, async (deployment) => (await keys()).showKeys(deployment)),
  },
  {
    words: ["keys", "rotate"],
    tells: "announce the next key; with --switch, sign with it",
    options: {
      switch: flag("sign with the next key, once peers have seen it"),
      anyway: flag("though some have not: those will quarantine this server"),
    },
    examples: [
      ["keys rotate", "announces the next key"],
      ["keys rotate --switch", "a day later: signs with it"],
    ],
    run: (given) =>
      within(given, async (deployment) =>
        (await keys()).rotateKeys(deployment, {
          switch: given.flag("switch"),
          anyway: given.flag("anyway"),
        }),
      ),
  },
  {
    words: ["keys", "revoke"],
    takes: "<key-id>",
    needs: "name the key id to revoke",
    tells: "stop using a key that may be in other hands",
    run: (given) =>
      within(given, async (deployment) =>
        (await keys()).revokeOneKey(deployment, given.word("key-id")),
      ),
  },
  {
    words: ["keys", "recovery"],
    tells: "make a recovery key, where there is none; shown once",
    options: { lost: flag("in place of one that is lost: peers have to approve it") },
    run: (given) =>
      within(given, async (deployment) =>
        (await keys()).makeRecoveryKey(deployment, { lost: given.flag("lost") }),
      ),
  },
  {
    words: ["keys", "recover"],
    tells: "replace every key by the recovery key, read from standard input",
    options: {
      from: text("read the recovery key from this file"),
      "keep-keys": flag("replace the recovery key only"),
      origin: text("of this server, where its data does not say it"),
    },
    run: (given) =>
      within(given, async (deployment) =>
        (await keys()).recoverAllKeys(deployment, {
          from: given.text("from"),
          keepKeys: given.flag("keep-keys"),
          origin: given.text("origin"),
        }),
      ),
  },
  {
    words: ["move"],
    tells: "give this server another origin, while it does not run: players and peers follow",
    options: {
      to: text("its new origin"),
      recovery: text("sign with the recovery key, in this file (-: from standard input)"),
    },
    examples: [
      ["move --to https://new.example.com", "then start it with origin: https://new.example.com"],
      [
        "move --to https://new.example.com --recovery key.txt",
        "where the old origin is dead: peers follow at once",
      ],
    ],
    run: (given) =>
      within(given, async (deployment) => {
        const to = given.text("to");
        if (to === undefined) throw new CommandError("name its new origin by --to", EXIT.usage);
        const { moveServer } = await import("./move.ts");
        return moveServer(deployment, { to, recovery: given.text("recovery") });
      }),
  },
  {
    words: ["peers", "list"],
    tells: "who is known, how each is and how far it is trusted; worst first",
    examples: [["peers list", "● up  12 ms  99.9 %  arena.example.org"]],
    run: (given) =>
      within(given, async (deployment) => {
        const { listPeers } = await import("./peer-list.ts");
        return listPeers(deployment);
      }),
  },
  peerCommand("approve", {
    tells: "show what would be trusted: keys, recovery key, endpoint; with --key, trust it",
    options: {
      key: texts("trust it by this key (several: --key a --key b); ends quarantine"),
      "inbound-only": flag("let its players in, but not ours go there", "outbound-only"),
      "outbound-only": flag("let ours go there, but not its players in"),
    },
    examples: [
      ["peers approve https://arena.example.org", "shows what would be trusted"],
      ["peers approve https://arena.example.org --key <key id>", "trusts it by that key"],
      ["peers approve https://arena.example.org --inbound-only", "of one that is trusted"],
    ],
  }),
  peerCommand("block", {
    takes: "<whom>",
    tells: "block an origin, a host, *.domain, !exception or a key id",
    examples: [
      ["peers block arena.example.org", "every port of a host"],
      ["peers block '*.example.net'", "a domain"],
    ],
  }),
  peerCommand("unblock", { takes: "<whom>", tells: "take a block back" }),
  peerCommand("remove", { tells: "forget it" }),
  peerCommand("retry", { tells: "shake hands now" }),
  {
    words: ["routes", "list"],
    tells: "where portals lead: routes of the configuration, and those that are kept",
    run: (given) => within(given, async (deployment) => (await routes()).listAllRoutes(deployment)),
  },
  {
    words: ["routes", "add"],
    takes: "<pattern> <server>",
    needs: "name the pattern, and the origin of the server that it leads to",
    tells: "keep a route, also after a restart; in place of one with the same pattern and server",
    options: {
      priority: text("lower is tried first among those of one pattern (default: 0)"),
      weight: text("share among servers of one priority (default: 1)"),
      world: text("the world to go to, instead of the URI's"),
    },
    examples: [
      ["routes add 'aether://arena/*' https://arena.example.org", "a name of your own for a peer"],
      ["routes add '*' https://hub.example.org --priority 9", "where all else leads"],
    ],
    run: (given) =>
      within(given, async (deployment) => {
        const [priority, weight] = [given.text("priority"), given.text("weight")];
        const world = given.text("world");
        return (await routes()).addKeptRoute(deployment, {
          ...{ pattern: given.word("pattern"), server: given.word("server") },
          ...(priority === undefined ? {} : { priority: Number(priority || "?") }),
          ...(weight === undefined ? {} : { weight: Number(weight || "?") }),
          ...(world === undefined ? {} : { world }),
        });
      }),
  },
  {
    words: ["routes", "remove"],
    takes: "<pattern> [server]",
    needs: "name the pattern of the routes to remove",
    tells: "let a kept route go: to one server, or all of a pattern",
    run: (given) =>
      within(given, async (deployment) =>
        (await routes()).removeKeptRoute(deployment, given.word("pattern"), given.text("server")),
      ),
  },
  {
    words: ["routes", "explain"],
    takes: "<uri>",
    needs: "name the portal URI to explain",
    tells: "every way that a portal URI has, in order, and why one cannot be gone",
    examples: [
      ["routes explain aether://arena/pit", "exit code 0: it leads somewhere; 1: nowhere now"],
    ],
    run: (given) =>
      within(given, async (deployment) =>
        (await routes()).explainUri(deployment, given.word("uri")),
      ),
  },
  {
    words: ["crossings"],
    takes: "[subject]",
    tells: "where a player went, or one transfer id, with receipts; or the latest (--recent)",
    options: {
      recent: flag("the latest crossings that left this server"),
      failed: flag("of them, those that did not arrive"),
    },
    examples: [
      ["crossings ada@worlds.example.com", "where this player went"],
      ["crossings --recent --failed", "what kept players here lately, and why"],
    ],
    run: (given) =>
      within(given, async (deployment) => {
        const crossings = await import("./crossings.ts");
        return crossings.listCrossings(deployment, {
          subject: given.text("subject"),
          recent: given.flag("recent"),
          failed: given.flag("failed"),
        });
      }),
  },
  {
    words: ["players", "find"],
    takes: "<account>",
    needs: "name the account, by the id that your server knows it by",
    tells: "which player an account of the server's own is, by the account's id",
    examples: [["players find ada@example.com", "the account's player"]],
    run: (given) =>
      within(given, async (deployment) =>
        (await players()).findPlayer(deployment, given.word("account")),
      ),
  },
  {
    words: ["players", "where"],
    takes: "<player>",
    needs: PLAYER_NEEDED,
    tells: "where a player is, as this server's store says",
    examples: [["players where ada@worlds.example.com", "at home, abroad, or visiting"]],
    run: (given) =>
      within(given, async (deployment) => {
        const { locatePlayer } = await import("./whereabouts.ts");
        return locatePlayer(deployment, given.word("player"));
      }),
  },
  {
    words: ["players", "visitors"],
    tells: "players of other homes that this server holds, and its own that are abroad",
    run: (given) =>
      within(given, async (deployment) => {
        const { listVisitors } = await import("./whereabouts.ts");
        return listVisitors(deployment);
      }),
  },
  {
    words: ["players", "recall"],
    takes: "<player>",
    needs: PLAYER_NEEDED,
    tells: "have the running server call a player of its own home",
    run: (given) =>
      within(given, async (deployment) => {
        const { recallPlayer } = await import("./whereabouts.ts");
        return recallPlayer(deployment, given.word("player"));
      }),
  },
  {
    words: ["players", "orphans"],
    tells: "visitors whose home is gone without a trace",
    options: { "after-days": AFTER_DAYS },
    run: (given) =>
      within(given, async (deployment) => {
        const { listOrphans } = await import("./orphans.ts");
        return listOrphans(deployment, given.text("after-days"));
      }),
  },
  {
    words: ["players", "adopt"],
    takes: "[player]",
    tells: "keep a visitor whose home is gone as a player of this server",
    options: {
      "all-of": text("every such visitor of this home"),
      "after-days": AFTER_DAYS,
      leaving: flag("also those who were about to leave: they may have arrived elsewhere"),
      merge: flag("into the player that its key is here already; the server is stopped meanwhile"),
      yes: flag("do it: without, it says what it would do"),
    },
    examples: [
      ["players adopt key-…@dead.example.com", "what would be done; exit code 1: nothing is yet"],
      ["players adopt --all-of https://dead.example.com --yes", "all of one home are kept"],
    ],
    run: (given) =>
      within(given, async (deployment) => {
        const { adoptOrphans } = await import("./orphans.ts");
        return adoptOrphans(deployment, {
          player: given.text("player"),
          allOf: given.text("all-of"),
          afterDays: given.text("after-days"),
          merge: given.flag("merge"),
          leaving: given.flag("leaving"),
          yes: given.flag("yes"),
        });
      }),
  },
  {
    words: ["players", "late"],
    takes: "[player]",
    tells: "what was brought back after the player had been played elsewhere",
    run: (given) =>
      within(given, async (deployment) =>
        (await players()).listLate(deployment, given.text("player")),
      ),
  },
  {
    words: ["players", "damaged"],
    tells: "rows of the store that cannot be read, set aside",
    run: (given) => within(given, async (deployment) => (await players()).listDamaged(deployment)),
  },
  {
    words: ["players", "forget"],
    takes: "<player>",
    needs: `${PLAYER_NEEDED} to forget`,
    tells: "let a player with a damaged row begin anew",
    run: (given) =>
      within(given, async (deployment) =>
        (await players()).forgetPlayer(deployment, given.word("player")),
      ),
  },
  assetCommand("list", { tells: "files that this server owns or has fetched" }),
  assetCommand("quarantine", { tells: "what came with other bytes than its hash names" }),
  assetCommand("release", {
    takes: "<item>",
    tells: "serve it, under the hash its bytes really have",
  }),
  assetCommand("purge", { takes: "<item>", tells: "delete it; all: everything in quarantine" }),
  {
    words: ["audit", "verify"],
    tells: "whether a line of the audit log was changed or taken out",
    run: (given) =>
      within(given, async (deployment) => {
        const { verifyAuditLog } = await import("./audit.ts");
        return verifyAuditLog(deployment);
      }),
  },
  {
    words: ["doctor"],
    takes: "[origin]",
    tells: "what is wrong with the link to a server, and who mends it by what",
    options: {
      all: flag("every peer that is trusted or named, the worst last"),
      "allow-insecure": flag("http: and loopback, for development"),
    },
    examples: [
      ["doctor https://arena.example.org", "one link, step by step; exit code 1: it is broken"],
      ["doctor --all", "what is wrong with each; exit code 0: all are well"],
    ],
    run: async (given) => {
      const { diagnose, diagnoseAll } = await import("./doctor.ts");
      const flags = { allowInsecure: given.flag("allow-insecure") };
      const origin = given.text("origin");
      if (given.flag("all")) {
        if (origin === undefined)
          return within(given, (deployment) => diagnoseAll(deployment, flags));
        throw new CommandError("name one origin, or --all", EXIT.usage);
      }
      if (origin === undefined) {
        throw new CommandError("name the origin to examine, or --all", EXIT.usage);
      }
      // Where there is no server, it is a stranger who looks.
      return (await hasServer(given))
        ? within(given, (deployment) => diagnose(origin, flags, deployment))
        : diagnose(origin, flags);
    },
  },
];

/** The operator's command line: finds the command, and says what came of it. */
import { parseArgs } from "node:util";
import { FederationError } from "../errors.ts";
import type { TrustRoles } from "../registry/federated-server.ts";
import { ASSET_VERBS, assetsFolder, manageAssets } from "./assets.ts";
import { verifyAuditLog } from "./audit.ts";
import { listCrossings } from "./crossings.ts";
import { type Deployment, withDeployment } from "./deployment.ts";
import { diagnose } from "./doctor.ts";
import { makeRecoveryKey, recoverAllKeys, revokeOneKey, rotateKeys, showKeys } from "./keys.ts";
import { initialise } from "./init.ts";
import { CommandError, type CommandResult, EXIT } from "./output.ts";
import { decidePeer, listPeers } from "./peers.ts";
import { terminalText } from "../words.ts";
import { findPlayer, forgetPlayer, listDamaged, listLate } from "./players.ts";

const USAGE = `Usage: aether-federation <command> [--data .federation] [--json]

  init [file]                  put a federation into the game server of this folder
        --origin <origin>      where players and peers reach it
        --peer <origin>        a server that it trusts (several: --peer a --peer b)

  keys show                    key ids of this server
  keys rotate                  announce the next key
  keys rotate --switch         sign with it, once peers have seen it
        --anyway               though some have not: those will quarantine this server
  keys revoke <key id>         stop using a key that may be in other hands
  keys recovery                make a recovery key, where there is none; shown once
        --lost                 in place of one that is lost: peers have to approve it
  keys recover                 replace every key by the recovery key, read from standard input
        --from <file>          … or from a file
        --keep-keys            replace the recovery key only
        --origin <origin>      of this server, where its data does not say it

  peers list                   who is known, and how far trusted
  peers approve <origin>       show what would be trusted: keys, recovery key, endpoint
        --key <key id>         trust it by this key (several: --key a --key b); ends quarantine
        --inbound-only         let its players in, but not ours go there
        --outbound-only        let ours go there, but not its players in
  peers block <origin|host|*.domain|!exception|key id>
  peers unblock <…>
  peers remove <origin>        forget it
  peers retry <origin>         shake hands now

  crossings <player>           where one of this home's players went, with receipts (--json)
  crossings <transfer id>      one crossing that began or ended here

  players find <account>       which player an account of the server's own is, by the account's id
  players late [player]        what was brought back after the player had been played elsewhere

  players damaged              rows of the store that cannot be read, set aside
  players forget <player>      let a player with a damaged row begin anew

  assets list                  files that this server owns or has fetched
        --assets <folder>      where they are (default: assets, in the data folder)
  assets quarantine            what came with other bytes than its hash names
  assets release <item>        serve it, under the hash its bytes really have
  assets purge <item|all>      delete it

  audit verify                 whether a line of the audit log was changed or taken out

  doctor <origin>              examine a server as a stranger sees it
        --allow-insecure       http: and loopback, for development

Works beside the running server: it notices within a second. Exit codes: 0 done, 1 failed or
something to fix, 2 wrong usage.
`;

const DASHED_KEY_ID = /^-[A-Za-z0-9_-]{42}$/u;

const PEER_VERBS = ["approve", "block", "unblock", "remove", "retry"] as const;

/** Runs one command; answers its exit code. */
export async function commandLine(args: readonly string[]): Promise<number> {
  let json = args.includes("--json");
  try {
    const { values, positionals } = readArguments(args);
    json = values.json ?? false;
    if (values.help === true || positionals.length === 0) {
      process.stdout.write(USAGE);
      return values.help === true ? EXIT.ok : EXIT.usage;
    }
    const result = await run(positionals, {
      data: values.data ?? ".federation",
      switch: values.switch ?? false,
      anyway: values.anyway ?? false,
      lost: values.lost ?? false,
      from: values.from,
      keepKeys: values["keep-keys"] ?? false,
      origin: values.origin,
      keys: values.key,
      peers: values.peer ?? [],
      roles: rolesOf(values["inbound-only"] ?? false, values["outbound-only"] ?? false),
      allowInsecure: values["allow-insecure"] ?? false,
      assets: values.assets,
    });
    process.stdout.write(
      `${terminalText(json ? JSON.stringify(result.json, null, 2) : result.text)}\n`,
    );
    return result.exitCode ?? EXIT.ok;
  } catch (error) {
    if (!(error instanceof CommandError || error instanceof FederationError)) throw error;
    process.stderr.write(
      `${terminalText(json ? JSON.stringify({ error: error.message }) : error.message)}\n`,
    );
    return error instanceof CommandError ? error.exitCode : EXIT.failed;
  }
}

function readArguments(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      // A key id may begin with a dash, and is no flag.
      args: args.map((arg) => (DASHED_KEY_ID.test(arg) ? ` ${arg}` : arg)),
      allowPositionals: true,
      options: {
        data: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean" },
        key: { type: "string", multiple: true },
        switch: { type: "boolean" },
        anyway: { type: "boolean" },
        lost: { type: "boolean" },
        from: { type: "string" },
        "keep-keys": { type: "boolean" },
        origin: { type: "string" },
        peer: { type: "string", multiple: true },
        "inbound-only": { type: "boolean" },
        "outbound-only": { type: "boolean" },
        "allow-insecure": { type: "boolean" },
        assets: { type: "string" },
      },
    });
    const key = values.key?.map((kid) => kid.trim());
    return {
      values: { ...values, ...(key === undefined ? {} : { key }) },
      positionals: positionals.map((word) => word.trim()),
    };
  } catch (cause) {
    throw usage(cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : "wrong flags");
  }
}

function rolesOf(inboundOnly: boolean, outboundOnly: boolean): TrustRoles {
  if (inboundOnly && outboundOnly)
    throw usage("--inbound-only and --outbound-only exclude each other");
  return { inbound: !outboundOnly, outbound: !inboundOnly };
}

async function run(
  positionals: readonly string[],
  flags: {
    readonly data: string;
    readonly switch: boolean;
    readonly anyway: boolean;
    readonly lost: boolean;
    readonly from: string | undefined;
    readonly keepKeys: boolean;
    readonly origin: string | undefined;
    readonly keys: readonly string[] | undefined;
    readonly peers: readonly string[];
    readonly roles: TrustRoles;
    readonly allowInsecure: boolean;
    readonly assets: string | undefined;
  },
): Promise<CommandResult> {
  const [command, verb, subject, ...rest] = positionals;
  const within = (work: (deployment: Deployment) => Promise<CommandResult>) =>
    withDeployment(flags.data, work);
  if (command === "init") {
    if (subject !== undefined) throw usage("init takes one file");
    return initialise({ ...flags, folder: ".", file: verb });
  }
  if (command === "doctor") {
    if (subject !== undefined) throw usage("doctor takes one origin");
    return diagnose(verb, flags);
  }
  if (command === "crossings") {
    if (subject !== undefined) throw usage("crossings takes one player or transfer id");
    return within((deployment) => listCrossings(deployment, verb));
  }
  if (rest.length > 0) throw usage(`"${rest.join(" ")}" is too much`);
  if (command === "keys") {
    if (verb === "show") return within(showKeys);
    if (verb === "rotate") return within((deployment) => rotateKeys(deployment, flags));
    if (verb === "revoke") return within((deployment) => revokeOneKey(deployment, subject));
    if (verb === "recovery" && subject === undefined) {
      return within((deployment) => makeRecoveryKey(deployment, flags));
    }
    if (verb === "recover") {
      // A private key in the arguments stands in the process list and in the shell's history.
      if (subject !== undefined)
        throw usage("keys recover reads the key, it does not take it here");
      return within((deployment) => recoverAllKeys(deployment, flags));
    }
  }
  if (command === "peers") {
    if (verb === "list") return within((deployment) => Promise.resolve(listPeers(deployment)));
    const decision = PEER_VERBS.find((each) => each === verb);
    if (decision !== undefined) {
      return within((deployment) =>
        decidePeer(deployment, decision, subject, flags.roles, flags.keys),
      );
    }
  }
  if (command === "audit" && verb === "verify" && subject === undefined) {
    return within(verifyAuditLog);
  }
  if (command === "players") {
    if (verb === "find") return within((deployment) => findPlayer(deployment, subject));
    if (verb === "late") return within((deployment) => listLate(deployment, subject));
    if (verb === "damaged" && subject === undefined) return within(listDamaged);
    if (verb === "forget") return within((deployment) => forgetPlayer(deployment, subject));
  }
  if (command === "assets") {
    const asked = ASSET_VERBS.find((each) => each === verb);
    if (asked !== undefined) {
      return manageAssets(assetsFolder(flags.data, flags.assets), asked, subject);
    }
  }
  throw usage(`"${positionals.join(" ")}" is no command`);
}

function usage(message: string): CommandError {
  return new CommandError(`${message} (see aether-federation --help)`, EXIT.usage);
}

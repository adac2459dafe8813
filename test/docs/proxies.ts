/** The proxies' configurations of docs/deploying.md, on free ports and with certificates of a test's own. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A server behind a proxy: its origin is the proxy's, its processes listen on `ports`. */
export interface Deployed {
  readonly origin: string;
  readonly ports: readonly string[];
}

interface Place {
  /** The folder of {@link certify}. */
  readonly certificates: string;
  readonly folder: string;
}

/** Links that went through the proxies of a folder, as they have written down since. */
export function linksThrough(folder: string): string[] {
  const [nginx = "", caddy = ""] = ["nginx/access.log", "caddy.log"].map((log) =>
    readFileSync(join(folder, log), "utf8"),
  );
  return [
    ...(nginx.match(/"GET \/federation\/link HTTP\/1\.1" 101/gu) ?? []).map(() => "nginx"),
    // Caddy has no status for what it has upgraded; the answer's key was ours.
    ...(caddy.match(/"uri":"\/federation\/link".*"resp_headers":.*"Aether-Link-Key"/gu) ?? []).map(
      () => "caddy",
    ),
  ];
}

/** Makes an authority (`ca.pem`) and its certificate for localhost; returns their folder. */
export function certify(openssl: string, folder: string): string {
  const place = join(folder, "certificates");
  mkdirSync(place);
  const run = (...args: string[]): Buffer =>
    execFileSync(openssl, args, { cwd: place, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  run("req", "-x509", ...key, ...["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Ours"]);
  run("req", ...key, ...["-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost"]);
  writeFileSync(join(place, "names"), "subjectAltName=DNS:localhost\n");
  const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"];
  run("x509", "-req", "-in", "request.pem", ...by, "-out", "cert.pem");
  return place;
}

/** Writes nginx' configuration of the page `text`; returns the arguments that run it. */
export function nginxConfigOf(text: string, server: Deployed, place: Place): string[] {
  const [single = "", locations = "", upstream = ""] = blocksOf(text, "nginx");
  const config = isOne(server)
    ? single
    : upstream + single.replace(/^ {2}location \/ \{.*?^ {2}\}\n/msu, locations);
  const own = `${place.folder}/nginx`;
  mkdirSync(own);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${own}/${name};`)
    .join("\n");
  const changed = toPorts(config, server)
    .replace("listen 443 ssl", `listen ${new URL(server.origin).port} ssl`)
    .replace("server_name worlds.example.com", "server_name localhost")
    .replace(/\/etc\/\S+fullchain\.pem/u, `${place.certificates}/cert.pem`)
    .replace(/\/etc\/\S+privkey\.pem/u, `${place.certificates}/key.pem`);
  writeFileSync(
    join(own, "nginx.conf"),
    `daemon off; pid ${own}/pid; events {}\nhttp {\naccess_log ${own}/access.log;\n${temporary}\n${changed}}\n`,
  );
  return ["-e", "stderr", "-p", own, "-c", join(own, "nginx.conf")];
}

/** Writes Caddy's; the same. */
export function caddyfileOf(text: string, server: Deployed, place: Place): string[] {
  const [single = "", several = ""] = blocksOf(text, "caddyfile");
  const { certificates, folder } = place;
  const changed = toPorts(isOne(server) ? single : several, server).replace(
    "worlds.example.com {",
    `${server.origin} {\n\ttls ${certificates}/cert.pem ${certificates}/key.pem\n\tlog {\n\t\toutput file ${folder}/caddy.log\n\t}`,
  );
  writeFileSync(
    join(folder, "Caddyfile"),
    `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${changed}`,
  );
  return ["run", "--config", join(folder, "Caddyfile")];
}

function isOne({ ports }: Deployed): boolean {
  return ports.length === 1;
}

function toPorts(config: string, { ports: [one = "", two = ""] }: Deployed): string {
  return config
    .replaceAll("256[78]", `${one}|${two}`)
    .replaceAll("2567", one)
    .replaceAll("2568", two);
}

function blocksOf(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gmsu)]
    .filter(([, said]) => said === language)
    .map(([, , code = ""]) => code);
}

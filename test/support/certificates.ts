/** Certificates of an authority of a test's own, made by openssl. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A key and its certificate, in PEM. */
export interface Certified {
  readonly key: string;
  readonly cert: string;
}

const DAY_MILLISECONDS = 86_400_000;

/** Signs certificates. */
export class Authority {
  /** Its own certificate, in PEM. */
  readonly certificate: string;
  readonly #openssl: string;
  readonly #place: string;
  #made = 0;

  constructor(openssl: string, folder: string) {
    this.#openssl = openssl;
    this.#place = join(folder, "authority");
    mkdirSync(this.#place);
    writeFileSync(join(this.#place, "index.txt"), "");
    const config = [
      ...["[ca]", "default_ca = ours", "[ours]", "database = index.txt", "new_certs_dir = ."],
      ...["default_md = sha256", "policy = any", "rand_serial = yes", "unique_subject = no"],
      ...["[any]", "commonName = supplied"],
    ];
    writeFileSync(join(this.#place, "ca.conf"), `${config.join("\n")}\n`);
    this.#run("req", "-x509", ...KEY, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Ours");
    this.certificate = this.#read("ca.pem");
  }

  /** A certificate for a host, valid from and until so many days from this one on. */
  certify(host: string, from = -1, until = 1): Certified {
    this.#made += 1;
    const [key, asked, cert] = ["key", "csr", "pem"].map((end) => `${this.#made}.${end}`);
    const names = `${this.#made}.names`;
    writeFileSync(join(this.#place, names), `subjectAltName=DNS:${host}\n`);
    this.#run("req", ...KEY, "-keyout", key ?? "", "-out", asked ?? "", "-subj", `/CN=${host}`);
    const by = ["-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key", "-extfile", names];
    const dates = ["-startdate", stamp(from), "-enddate", stamp(until)];
    this.#run("ca", "-batch", "-notext", ...by, ...dates, "-in", asked ?? "", "-out", cert ?? "");
    return { key: this.#read(key ?? ""), cert: this.#read(cert ?? "") };
  }

  #run(...args: string[]): void {
    execFileSync(this.#openssl, args, { cwd: this.#place, stdio: "pipe" });
  }

  #read(name: string): string {
    return readFileSync(join(this.#place, name), "utf8");
  }
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** OpenSSL's `YYYYMMDDHHMMSSZ`. */
function stamp(days: number): string {
  const at = new Date(Date.now() + days * DAY_MILLISECONDS).toISOString();
  return `${at.slice(0, 19).replaceAll(/[-:T]/gu, "")}Z`;
}

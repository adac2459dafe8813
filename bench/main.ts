/** `npm run bench -- signatures refusals join crossing link ledger routing health growth load assets bundle [--json]`: speed, as ratios within one run. */
import { parseArgs } from "node:util";
import { benchAssets } from "./assets.ts";
import { benchAssetTransfer } from "./assets-transfer.ts";
import { benchBundle } from "./bundle.ts";
import { benchCrossing } from "./crossing.ts";
import { benchGrowth } from "./growth.ts";
import { benchHealth } from "./health.ts";
import { benchJoin } from "./join.ts";
import { benchLedger } from "./ledger.ts";
import { benchLink } from "./link.ts";
import { benchLoad } from "./load.ts";
import type { Section } from "./measure.ts";
import { benchRefusals } from "./refusals.ts";
import { benchRouting } from "./routing.ts";
import { benchSignatures } from "./signatures.ts";
import "../test/support/quiet.mjs";

const BENCHES: Readonly<Record<string, () => Promise<Section[]>>> = {
  signatures: benchSignatures,
  refusals: benchRefusals,
  join: benchJoin,
  crossing: benchCrossing,
  link: benchLink,
  ledger: benchLedger,
  routing: benchRouting,
  health: benchHealth,
  growth: benchGrowth,
  load: benchLoad,
  assets: async () => [...(await benchAssets()), ...(await benchAssetTransfer())],
  bundle: benchBundle,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false } },
});
const chosen = positionals.length === 0 ? Object.keys(BENCHES) : positionals;
const unknown = chosen.filter((name) => BENCHES[name] === undefined);
if (unknown.length > 0) {
  console.error(`no bench "${unknown.join(", ")}"; there are: ${Object.keys(BENCHES).join(", ")}`);
  process.exit(2);
}
const sections: Section[] = [];
for (const name of chosen) {
  for (const section of (await BENCHES[name]?.()) ?? []) {
    sections.push(section);
    if (!values.json) console.log(`${section.text}\n`);
  }
}
if (values.json) {
  console.log(
    JSON.stringify(
      sections.map(({ text: _, ...section }) => section),
      null,
      2,
    ),
  );
}

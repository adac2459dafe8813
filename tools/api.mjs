/**
 * `npm run api`: writes the public API down in api/, one page for each entry. `--check` only looks
 * whether the pages are true, so that a change of the API is seen in review.
 */
import { fileURLToPath } from "node:url";
import { Extractor, ExtractorConfig } from "@microsoft/api-extractor";

const check = process.argv.includes("--check");
const root = fileURLToPath(new URL("..", import.meta.url));

for (const [name, entry] of [
  ["index", "dist/index.d.ts"],
  ["client", "dist/client/index.d.ts"],
  ["client-keys", "dist/client/keys/index.d.ts"],
  ["testing", "dist/testing/index.d.ts"],
]) {
  const config = ExtractorConfig.prepare({
    packageJsonFullPath: `${root}package.json`,
    configObjectFullPath: undefined,
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: `${root}${entry}`,
      compiler: { tsconfigFilePath: `${root}tsconfig.json` },
      newlineKind: "lf",
      apiReport: {
        enabled: true,
        reportFolder: `${root}api`,
        reportTempFolder: `${root}.tmp/api`,
        reportFileName: name,
      },
      messages: {
        extractorMessageReporting: {
          "ae-missing-release-tag": { logLevel: "none" },
          "ae-forgotten-export": { logLevel: "none" },
          "ae-unresolved-link": { logLevel: "none" },
        },
        tsdocMessageReporting: { default: { logLevel: "none" } },
      },
    },
  });
  const { succeeded, apiReportChanged } = Extractor.invoke(config, {
    localBuild: !check,
    messageCallback: (message) => {
      message.handled = message.logLevel !== "error" || message.messageId.startsWith("console-");
    },
  });
  if (check && apiReportChanged) {
    console.error(
      `The public API is not what api/${name}.api.md says. If that is meant: npm run api writes it down.`,
    );
    process.exitCode = 1;
  } else if (!succeeded) process.exitCode = 1;
}

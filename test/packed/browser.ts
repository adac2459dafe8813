/** What a project gets that only plays: how many packages, how large, and a bundle. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Bench } from "./servers.ts";
import type { Project } from "./workshop.ts";

/** Most packages that a browser-only project may get with the client; the SDK has 16 by itself. */
const MAX_PACKAGES = 24;

export async function browser({ workshop }: Bench): Promise<void> {
  const sizes: string[] = [];
  let packages = 0;
  for (const names of [["@colyseus/sdk@0.18"], ["@colyseus/sdk@0.18", "tarball"]]) {
    const project = await workshop.project(`browser-${names.length}`, {});
    await project.install(...names);
    packages = await packagesOf(project);
    sizes.push(`${packages} packages, ${(await megabytes(project)).toFixed(0)} MB`);
    if (names.length > 1) {
      await project.write({
        "main.js":
          'import { Traveler } from "aether-federation/client"; new Traveler(location.origin);\n',
      });
      await project.install("esbuild");
      await project.run(
        "npx",
        "esbuild",
        "main.js",
        "--bundle",
        "--minify",
        "--format=esm",
        "--outfile=out.js",
      );
    }
  }
  console.log(`  the SDK alone: ${sizes[0]}; with aether-federation: ${sizes[1]}`);
  if (packages > MAX_PACKAGES) throw new Error(`${packages} packages, of at most ${MAX_PACKAGES}`);
}

async function packagesOf(project: Project): Promise<number> {
  const listed = await project.run("npm", "ls", "--all", "--parseable");
  return listed.trim().split("\n").length - 1;
}

async function megabytes(project: Project): Promise<number> {
  const modules = join(project.path, "node_modules");
  const files = await readdir(modules, { recursive: true, withFileTypes: true });
  const sizes = await Promise.all(
    files
      .filter((each) => each.isFile())
      .map(async (each) => (await stat(join(each.parentPath, each.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0) / 1e6;
}

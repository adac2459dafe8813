/**
 * Node keeps what it has compiled for the processes that tests start by the hundred: most of a start is that. Beside
 * the installed packages, so that a clean clone begins with none.
 */
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

const directory = fileURLToPath(new URL("../../node_modules/.cache/compiled", import.meta.url));

process.env.NODE_COMPILE_CACHE ??= directory;
enableCompileCache(process.env.NODE_COMPILE_CACHE);

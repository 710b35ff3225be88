// Bundles the page into ../src/karyoscope/view/static; the same sources give the same bytes.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "../src/karyoscope/view/static");

async function licences(inputs) {
  const found = new Map();
  for (const input of inputs) {
    const match = /^(.*node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(input);
    if (match) found.set(match[2], join(here, match[1]));
  }
  const parts = [];
  for (const [name, folder] of [...found].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const card = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const files = (await readdir(folder)).filter((f) => /^(licen[cs]e|notice|copying)/i.test(f));
    const texts = await Promise.all(files.sort().map((f) => readFile(join(folder, f), "utf8")));
    const text = texts.map((t) => t.replaceAll("\r\n", "\n").trim()).join("\n\n");
    parts.push(`${name} ${card.version}: ${card.license}\n\n${text}`);
  }
  const head = "Parts of view.js that come from others, with their licences.\n";
  return [head, ...parts].join(`\n${"-".repeat(80)}\n`) + "\n";
}

await mkdir(out, { recursive: true });
const result = await build({
  absWorkingDir: here,
  entryPoints: { view: "src/main.ts" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  define: { "process.env.NODE_ENV": '"production"', __VERSION__: '"9.4.0"' },
});
const bundled = Object.values(result.metafile.outputs).flatMap((o) =>
  Object.entries(o.inputs).filter(([, i]) => i.bytesInOutput > 0).map(([name]) => name),
);
await writeFile(join(out, "licences.txt"), await licences(bundled));
await copyFile(join(here, "src/index.html"), join(out, "index.html"));

// Bundles src/ into ../page, which is committed: whoever installs the package needs no Node.js.
// The digest of the sources in sources.sha256 lets a test find a bundle that is out of date.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/** Lists all files of a folder with its sub-folders, sorted by their paths. */
const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

/** The licence text of a package, found by its usual file names. */
function licenceOf(name) {
  const folder = join("node_modules", name);
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  return `${name} ${version}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
}

const PAGE = "../page";

rmSync(PAGE, { recursive: true, force: true });
mkdirSync(PAGE);
const { metafile } = await build({
  entryPoints: { app: "src/main.jsx", worklet: "src/worklet.js", style: "src/style.css" },
  outdir: PAGE,
  bundle: true,
  minify: true,
  metafile: true,
  format: "esm",
  target: ["es2022", "chrome109", "firefox115", "safari16"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  loader: { ".woff2": "file" },
  assetNames: "[name]",
});
for (const name of ["index.html", "icon.svg", "icon-180.png", "icon-512.png", "manifest.webmanifest"]) copyFileSync(`src/${name}`, `${PAGE}/${name}`);

const packages = Object.keys(metafile.inputs)
  .map((path) => path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1])
  .filter(Boolean);
const bundled = [...new Set(packages)].sort();
writeFileSync(`${PAGE}/THIRD_PARTY.txt`, bundled.map(licenceOf).join(`\n${"-".repeat(72)}\n\n`));

const digest = createHash("sha256");
for (const path of [...filesBelow("src"), "package-lock.json"]) digest.update(readFileSync(path));
writeFileSync(`${PAGE}/sources.sha256`, `${digest.digest("hex")}\n`);

// Pictures for music without a cover. The name alone decides: the same album always looks the same.

/** From, to, and the colour of the lines. */
const PALETTES = [
  ["#2a1650", "#8a3aa8", "#ffc2dd"],
  ["#0a2f4a", "#0d8a94", "#d3f2ee"],
  ["#3c0b14", "#c63a32", "#ffd9b0"],
  ["#141c4a", "#4a63e0", "#cfe6ff"],
  ["#0f3327", "#3f8f66", "#dcf7cc"],
  ["#471340", "#d0467c", "#ffe6cc"],
  ["#2b2320", "#96623f", "#f8ddb0"],
  ["#0d2429", "#2b817a", "#ffe59a"],
  ["#3f2607", "#dd8a1e", "#fff3d6"],
  ["#33102c", "#8b2456", "#f9b4a8"],
  ["#1d2b2c", "#5d8560", "#f5ecc9"],
  ["#221a3a", "#6b5bb5", "#f4d8ff"],
];
const MOST_KEPT = 600;
const kept = new Map();

/** The same numbers 0..1 for the same text, by mulberry32 over a hash of the text. */
function numbers(text) {
  let state = 2166136261;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const line = (points) => `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;
const range = (length) => Array.from({ length }, (_, k) => k);

// Each motif draws on 100 by 100. A small picture has about half of the lines (`many` is 1 or 0.5), so that it stays
// clear, and so that a list of hundreds is drawn in no time.

/** Closed ridges around a core, as in a whorl. */
function whorl(next, many) {
  const [x, y, bend, turn] = [35 + 30 * next(), 35 + 30 * next(), 0.1 + 0.16 * next(), 7 * next()];
  const lobes = 2 + Math.floor(3 * next());
  const steps = 56 * many;
  const ridge = (radius) =>
    range(steps + 1).map((k) => {
      const angle = (k / steps) * 2 * Math.PI;
      const reach = radius * (1 + bend * Math.sin(lobes * angle + turn + radius / 26) + 0.05 * Math.sin(5 * angle));
      return [x + reach * Math.cos(angle), y + reach * Math.sin(angle)];
    });
  return range(12 * many).map((k) => line(ridge(4 + (8 * k) / many)));
}

/** Nested arches that stand on the lower edge. */
function arches(next, many) {
  const [x, lean, top] = [38 + 24 * next(), 26 * (next() - 0.5), 54 + 6 * next()];
  return range(10 * many).map((k) => {
    const radius = 5 + (8 * k) / many;
    const arch = range(25).map((step) => {
      const angle = Math.PI * (1 + step / 24);
      return [x + radius * Math.cos(angle) + lean * (0.4 - radius / 90), top + radius * Math.sin(angle) * 0.86];
    });
    return line([[arch[0][0] - lean * 0.3, 104], ...arch, [arch[24][0] + lean * 0.3, 104]]);
  });
}

/** Waves above each other, with their swell in one place. */
function waves(next, many) {
  const [middle, wide] = [30 + 40 * next(), 10 + 14 * next()];
  const heights = range(12).map(() => 5 + 16 * next());
  const steps = 40 * many;
  return range(12 * many).map((k) =>
    line(
      range(steps + 1).map((step) => {
        const x = (step * 104) / steps - 2;
        const swell = Math.exp(-(((x - middle) / wide) ** 2));
        const high = heights[k] * swell * (0.7 + 0.3 * Math.sin(x / 4 + 7 * k));
        return [x, 14 + (k * 7.4) / many - high - 1.4 * Math.sin(x / 9 + 7 * k)];
      }),
    ),
  );
}

/** The bars of a waveform, louder in one or two places. */
function bars(next, many) {
  const swells = range(2).map(() => [10 + 80 * next(), 8 + 18 * next(), 14 + 22 * next()]);
  const wild = range(19).map(() => 0.55 + 0.6 * next());
  return range(Math.ceil(19 * many)).map((k) => {
    const x = 5 + (5 * k) / many;
    const swell = swells.reduce((sum, [middle, wide, high]) => sum + high * Math.exp(-(((x - middle) / wide) ** 2)), 3);
    const reach = Math.min(46, swell * wild[k]);
    return line([[x, 50 - reach], [x, 50 + reach]]);
  });
}

const MOTIFS = [whorl, whorl, arches, waves, bars];

/** {from, to, ink: colours; angle: of the gradient; lines: the path} for a name. */
export function artOf(name, large = false) {
  const key = `${large} ${name}`;
  if (!kept.has(key)) {
    if (kept.size > MOST_KEPT) kept.clear();
    const next = numbers(String(name));
    const [from, to, ink] = PALETTES[Math.floor(next() * PALETTES.length)];
    const angle = Math.floor(360 * next());
    const motif = MOTIFS[Math.floor(next() * MOTIFS.length)];
    kept.set(key, { from, to, ink, angle, lines: motif(next, large ? 1 : 0.5).join("") });
  }
  return kept.get(key);
}

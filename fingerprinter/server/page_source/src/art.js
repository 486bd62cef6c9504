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

/** Closed ridges around a core, as in a whorl. */
function whorl(next) {
  const [x, y, bend, turn] = [35 + 30 * next(), 35 + 30 * next(), 0.1 + 0.16 * next(), 7 * next()];
  const lobes = 2 + Math.floor(3 * next());
  const ridge = (radius) =>
    range(57).map((k) => {
      const angle = (k / 56) * 2 * Math.PI;
      const reach = radius * (1 + bend * Math.sin(lobes * angle + turn + radius / 26) + 0.05 * Math.sin(5 * angle));
      return [x + reach * Math.cos(angle), y + reach * Math.sin(angle)];
    });
  return range(12).map((k) => line(ridge(4 + 8 * k)));
}

/** Nested arches that stand on the lower edge. */
function arches(next) {
  const [x, lean] = [38 + 24 * next(), 26 * (next() - 0.5)];
  return range(9).map((k) => {
    const radius = 5 + 8 * k;
    const top = 58 - 4 * next();
    const arch = range(25).map((step) => {
      const angle = Math.PI * (1 + step / 24);
      return [x + radius * Math.cos(angle) + lean * (0.4 - radius / 90), top + radius * Math.sin(angle) * 0.86];
    });
    return line([[arch[0][0] - lean * 0.3, 104], ...arch, [arch[24][0] + lean * 0.3, 104]]);
  });
}

/** Waves above each other, with their swell in one place. */
function waves(next) {
  const [middle, wide] = [30 + 40 * next(), 10 + 14 * next()];
  return range(11).map((k) => {
    const [from, high] = [k * 7, 5 + 16 * next()];
    return line(
      range(41).map((step) => {
        const x = step * 2.6 - 2;
        const swell = Math.exp(-(((x - middle) / wide) ** 2));
        return [x, 16 + k * 7.6 - high * swell * (0.7 + 0.3 * Math.sin(x / 4 + from)) - 1.4 * Math.sin(x / 9 + from)];
      }),
    );
  });
}

/** The bars of a waveform, louder in one or two places. */
function bars(next) {
  const swells = range(2).map(() => [10 + 80 * next(), 8 + 18 * next(), 14 + 22 * next()]);
  return range(19).map((k) => {
    const x = 5 + 5 * k;
    const swell = swells.reduce((sum, [middle, wide, high]) => sum + high * Math.exp(-(((x - middle) / wide) ** 2)), 3);
    const reach = Math.min(46, swell * (0.55 + 0.6 * next()));
    return line([[x, 50 - reach], [x, 50 + reach]]);
  });
}

const MOTIFS = [whorl, whorl, arches, waves, bars];

/** {from, to, ink: colours; angle: of the gradient; lines: the path} for a name. */
export function artOf(text) {
  if (!kept.has(text)) {
    if (kept.size > MOST_KEPT) kept.clear();
    const next = numbers(String(text));
    const [from, to, ink] = PALETTES[Math.floor(next() * PALETTES.length)];
    const angle = Math.floor(360 * next());
    kept.set(text, { from, to, ink, angle, lines: MOTIFS[Math.floor(next() * MOTIFS.length)](next).join("") });
  }
  return kept.get(text);
}

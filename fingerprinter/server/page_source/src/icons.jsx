// The icons, drawn on a grid of 24 with the colour of the text around them.
const PATHS = {
  identify: "M12 3a3 3 0 0 1 3 3v6a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3ZM5 11a7 7 0 0 0 14 0M12 18v3",
  library: "M4 5v14M9 5v14M14 5.5l5.5 13.3",
  map: "M6 7h.01M11 5h.01M17 8h.01M8 12h.01M14 12h.01M18 15h.01M6 17h.01M12 18h.01M10 9h.01M15 18h.01",
  discover: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18ZM15.500 8.500l-2 5-5 2 2-5Z",
  duplicates: "M9 9h11v11H9ZM5 15H4V4h11v1",
  jobs: "M12 3v3M12 18v3M3 12h3M18 12h3M5.600 5.600l2.100 2.100M16.300 16.300l2.100 2.100M18.400 5.600l-2.100 2.100M7.700 16.300l-2.100 2.100M12 8.500a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7Z",
  stations: "M12 12h.01M8.5 15.5a5 5 0 0 1 0-7M15.5 8.5a5 5 0 0 1 0 7M5.6 18.4a9 9 0 0 1 0-12.8M18.4 5.6a9 9 0 0 1 0 12.8",
  play: "M7 4.5v15l12-7.5Z",
  pause: "M8 5v14M16 5v14",
  next: "M6 5l9 7-9 7ZM18 5v14",
  previous: "M18 5l-9 7 9 7ZM6 5v14",
  shuffle: "M3 7h3.500c4 0 6.500 10 10.500 10h4M3 17h3.500c1.500 0 2.800-1.400 4-3.200M13.500 10.200c1.200-1.800 2-3.200 3.500-3.200h4M18.500 4.500L21 7l-2.500 2.500M18.500 14.500L21 17l-2.500 2.500",
  repeat: "M4 12V9.500A3.500 3.500 0 0 1 7.500 6H19M16.500 3.500L19 6l-2.500 2.500M20 12v2.500a3.500 3.500 0 0 1-3.500 3.500H5M7.500 20.500L5 18l2.500-2.500",
  endless: "M8 8.500a3.500 3.500 0 1 0 0 7c3.500 0 4.500-7 8-7a3.500 3.500 0 1 1 0 7c-3.500 0-4.500-7-8-7Z",
  queue: "M4 6h12M4 11h12M4 16h7M17 14v6l4-3Z",
  add: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14ZM16.5 16.5L21 21",
  up: "M12 19V6M6 11l6-6 6 6",
  back: "M15 5l-7 7 7 7",
  down: "M5 9l7 7 7-7",
  like: "M7 11v9H4v-9ZM7 11l4-8c2 0 2.5 1.5 2 3.5L12.500 9H19c1 0 1.800 1 1.500 2l-1.600 7c-.2 1-1 2-2 2H7",
  dislike: "M17 13V4h3v9ZM17 13l-4 8c-2 0-2.500-1.500-2-3.500L11.500 15H5c-1 0-1.800-1-1.500-2l1.600-7c.2-1 1-2 2-2h9.900",
  volume: "M5 9v6h4l5 4V5L9 9ZM17.500 8.500a5 5 0 0 1 0 7",
  muted: "M5 9v6h4l5 4V5L9 9ZM17 9.500l5 5M22 9.500l-5 5",
  path: "M5 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM19 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM7 17h6a3 3 0 0 0 0-6h-2a3 3 0 0 1 0-6h6",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8ZM12 2v2M12 20v2M4.900 4.900l1.400 1.400M17.700 17.700l1.400 1.400M2 12h2M20 12h2M4.900 19.100l1.400-1.400M17.700 6.300l1.400-1.400",
  moon: "M20 14.500A8.500 8.500 0 1 1 9.500 4a7 7 0 0 0 10.500 10.500Z",
  file: "M6 3h8l4 4v14H6ZM14 3v4h4",
  folder: "M3 6h6l2 2.500h10V19H3Z",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  keyboard: "M3 7h18v10H3ZM7 11h.01M11 11h.01M15 11h.01M8 14h8",
  check: "M5 12.500l4.500 4.500L19 7.500",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  lasso: "M12 4c5 0 9 2.500 9 6s-4 6-9 6-9-2.500-9-6 4-6 9-6ZM7 15a2.500 2.500 0 1 0 1 4.500c0 1.500-1 2.500-2.500 2.500",
  minus: "M5 12h14",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  warning: "M12 4l9 16H3ZM12 10v4M12 17h.01",
  picture: "M3 5h18v14H3ZM3 15l5-5 5 5 3-3 5 5",
};
const FILLED = new Set(["play", "pause", "next", "previous"]);
const DOTS = new Set(["map", "more"]);

export const Icon = ({ name, size = 20 }) => (
  <svg
    class={`icon ${FILLED.has(name) ? "filled" : ""} ${DOTS.has(name) ? "dots" : ""}`}
    width={size}
    height={size}
    viewBox="0 0 24 24"
    aria-hidden="true"
  >
    <path d={PATHS[name]} />
  </svg>
);

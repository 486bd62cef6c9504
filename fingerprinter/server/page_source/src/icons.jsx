// The icons, drawn on a grid of 24 with the colour of the text around them.
const PATHS = {
  identify: "M12 3a3 3 0 0 1 3 3v6a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3ZM5 11a7 7 0 0 0 14 0M12 18v3",
  library: "M4 5v14M9 5v14M14 5.5l5.5 13.3",
  map: "M6 7h.01M11 5h.01M17 8h.01M8 12h.01M14 12h.01M18 15h.01M6 17h.01M12 18h.01M10 9h.01M15 18h.01",
  discover: "M12 3v3M12 18v3M3 12h3M18 12h3M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8Z",
  duplicates: "M9 9h11v11H9ZM5 15H4V4h11v1",
  jobs: "M4 6h10M4 12h16M4 18h7M18 4v4M18 16v4",
  stations: "M12 12h.01M8.5 15.5a5 5 0 0 1 0-7M15.5 8.5a5 5 0 0 1 0 7M5.6 18.4a9 9 0 0 1 0-12.8M18.4 5.6a9 9 0 0 1 0 12.8",
  play: "M7 4.5v15l12-7.5Z",
  pause: "M8 5v14M16 5v14",
  next: "M6 5l9 7-9 7ZM18 5v14",
  previous: "M18 5l-9 7 9 7ZM6 5v14",
  queue: "M4 6h12M4 11h12M4 16h7M17 14v6l4-3Z",
  add: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14ZM16.5 16.5L21 21",
  up: "M12 19V6M6 11l6-6 6 6",
  like: "M7 11v9H4v-9ZM7 11l4-8c2 0 2.5 1.5 2 3.5L12.500 9H19c1 0 1.800 1 1.500 2l-1.600 7c-.2 1-1 2-2 2H7",
  dislike: "M17 13V4h3v9ZM17 13l-4 8c-2 0-2.500-1.500-2-3.500L11.500 15H5c-1 0-1.800-1-1.500-2l1.600-7c.2-1 1-2 2-2h9.900",
  volume: "M5 9v6h4l5 4V5L9 9ZM17.500 8.500a5 5 0 0 1 0 7",
  muted: "M5 9v6h4l5 4V5L9 9ZM17 9.500l5 5M22 9.500l-5 5",
  path: "M5 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM19 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM7 17h6a3 3 0 0 0 0-6h-2a3 3 0 0 1 0-6h6",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8ZM12 2v2M12 20v2M4.900 4.900l1.400 1.400M17.700 17.700l1.400 1.400M2 12h2M20 12h2M4.900 19.100l1.400-1.400M17.700 6.300l1.400-1.400",
  moon: "M20 14.500A8.500 8.500 0 1 1 9.500 4a7 7 0 0 0 10.500 10.500Z",
  file: "M6 3h8l4 4v14H6ZM14 3v4h4",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  keyboard: "M3 7h18v10H3ZM7 11h.01M11 11h.01M15 11h.01M8 14h8",
  check: "M5 12.500l4.500 4.500L19 7.500",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
};
const FILLED = new Set(["play", "pause", "next", "previous"]);

export const Icon = ({ name, size = 20 }) => (
  <svg
    class={`icon ${FILLED.has(name) ? "filled" : ""} ${name === "map" || name === "more" ? "dots" : ""}`}
    width={size}
    height={size}
    viewBox="0 0 24 24"
    aria-hidden="true"
  >
    <path d={PATHS[name]} />
  </svg>
);

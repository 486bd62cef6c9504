// The shell: navigation, theme, keys, and the view that the address names.
import { effect, signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { signedOut } from "./api.js";
import { title } from "./format.js";
import { useKeys } from "./hooks.js";
import { Icon } from "./icons.jsx";
import { Login } from "./login.jsx";
import { Empty, Sheet } from "./parts.jsx";
import { PlayerBar } from "./playerbar.jsx";
import { current, playing, position, seek, step, toggle } from "./player.js";
import { go, route, scrollBack } from "./router.js";
import { Toasts } from "./toasts.jsx";
import { Discover } from "./views/discover.jsx";
import { Duplicates } from "./views/duplicates.jsx";
import { Identify } from "./views/identify.jsx";
import { Jobs } from "./views/jobs.jsx";
import { Library } from "./views/library.jsx";
import { SoundMap } from "./views/map.jsx";
import { Stations } from "./views/stations.jsx";
import { TrackView } from "./views/track.jsx";

/** The views. A phone has room for the first four beside "More". */
const VIEWS = [
  { name: "identify", label: "Identify", view: Identify },
  { name: "library", label: "Library", view: Library },
  { name: "map", label: "Map", view: SoundMap },
  { name: "discover", label: "Discover", view: Discover },
  { name: "duplicates", label: "Duplicates", view: Duplicates, late: true },
  { name: "jobs", label: "Jobs", view: Jobs, late: true },
  { name: "stations", label: "Stations", view: Stations, late: true },
];

const KEYS = [
  ["Space", "Play or pause"],
  ["← →", "Five seconds back or on"],
  ["Shift ← →", "Previous or next track"],
  ["/", "Search the library"],
  ["1 … 7", "Open a view"],
  ["?", "Show these keys"],
];

const GROUND = { dark: "#0c0e12", light: "#f7f5f0" }; // as in the sheet, for the frame of the browser
const theme = signal(
  localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"),
);
effect(() => {
  document.documentElement.dataset.theme = theme.value;
  document.querySelector("meta[name=theme-color]").content = GROUND[theme.value];
});

function flip() {
  theme.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem("theme", theme.value);
}

/** The title of the window: what plays, else the view. A track's view sets its own. */
effect(() => {
  const track = current.value;
  const { view } = route.value;
  const label = VIEWS.find(({ name }) => name === view)?.label;
  if (track && playing.value) document.title = [title(track), track.artist].filter(Boolean).join(" – ");
  else if (view !== "track") document.title = `${label ?? "No such page"} · fingerprinter`;
});

const Keys = ({ control }) => (
  <Sheet control={control} label="Keyboard">
    <h2>Keyboard</h2>
    <dl class="facts" style={{ margin: "16px 0 20px" }}>
      {KEYS.map(([key, what]) => (
        <div key={key}>
          <dt>
            <kbd>{key}</kbd>
          </dt>
          <dd>{what}</dd>
        </div>
      ))}
    </dl>
    <button class="button" onClick={() => control.current.close()}>
      Close
    </button>
  </Sheet>
);

const flipLabel = () => (theme.value === "dark" ? "Light colours" : "Dark colours");
const flipIcon = () => (theme.value === "dark" ? "sun" : "moon");

/** The views and settings for which a phone has no room at its foot. */
const More = ({ control, view }) => (
  <Sheet control={control} label="More" name="from-below">
    <nav class="more" aria-label="More views" onClick={() => control.current.close()}>
      {VIEWS.filter(({ late }) => late).map(({ name, label }) => (
        <a key={name} href={`#/${name}`} aria-current={view === name ? "page" : undefined}>
          <Icon name={name} />
          {label}
        </a>
      ))}
      <button onClick={flip}>
        <Icon name={flipIcon()} />
        {flipLabel()}
      </button>
    </nav>
  </Sheet>
);

function Side({ view, keys, more }) {
  return (
    <header class="side">
      <a class="brand" href="#/identify" aria-label="fingerprinter">
        <img src="icon.svg" alt="" />
        <span>fingerprinter</span>
      </a>
      <nav aria-label="Views">
        {VIEWS.map(({ name, label, late }) => (
          <a key={name} class={late ? "late" : ""} href={`#/${name}`} aria-current={view === name ? "page" : undefined}>
            <Icon name={name} />
            <span>{label}</span>
          </a>
        ))}
        <button
          class={`more-button ${VIEWS.some(({ name, late }) => late && name === view) ? "here" : ""}`}
          onClick={() => more.current.showModal()}
        >
          <Icon name="more" />
          <span>More</span>
        </button>
      </nav>
      <div class="side-foot">
        <button class="button quiet round" onClick={flip} aria-label={flipLabel()} title={flipLabel()}>
          <Icon name={flipIcon()} size={18} />
        </button>
        <button class="button quiet round" onClick={() => keys.current.showModal()} aria-label="Keyboard" title="Keyboard">
          <Icon name="keyboard" size={18} />
        </button>
      </div>
    </header>
  );
}

const NoSuchPage = () => (
  <Empty icon="warning" heading="There is no such page" text="The address may be misspelt, or older than this version.">
    <a class="button primary" href="#/identify">
      Go to Identify
    </a>
  </Empty>
);

function App() {
  const main = useRef();
  const keys = useRef();
  const more = useRef();
  const { view, rest, query } = route.value;
  const known = view === "track" ? "library" : view;
  useEffect(() => {
    main.current?.focus({ preventScroll: true });
    scrollBack();
  }, [view, rest.join("/"), ["album", "artist"].includes(rest[0]) && query.toString()]);
  useKeys((event) => {
    const seconds = { ArrowLeft: -5, ArrowRight: 5 }[event.key];
    if (event.key === " " && event.target.tagName !== "BUTTON") toggle();
    else if (seconds && event.shiftKey) step(Math.sign(seconds));
    else if (seconds) seek(position.value + seconds);
    else if (event.key === "/") {
      go("#/library");
      setTimeout(() => document.querySelector("main input")?.focus(), 60);
    } else if (event.key === "?") keys.current.showModal();
    else if (VIEWS[event.key - 1]) go(`#/${VIEWS[event.key - 1].name}`);
    else return;
    event.preventDefault();
  });
  if (signedOut.value) return <Login />;
  const View = view === "track" ? TrackView : (VIEWS.find(({ name }) => name === view)?.view ?? NoSuchPage);
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => (event.preventDefault(), main.current.focus())}>
        Skip to the content
      </a>
      <div class="shell">
        <Side view={known} keys={keys} more={more} />
        <main ref={main} id="content" tabIndex={-1} class={`view-${view}`}>
          <View key={view} />
        </main>
      </div>
      <PlayerBar />
      <Toasts />
      <Keys control={keys} />
      <More control={more} view={view} />
    </>
  );
}

render(<App />, document.getElementById("app"));

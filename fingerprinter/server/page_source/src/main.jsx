// The shell: navigation, theme, keys, and the view that the address names.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { signedOut } from "./api.js";
import { useKeys } from "./hooks.js";
import { Icon } from "./icons.jsx";
import { Login } from "./login.jsx";
import { PlayerBar } from "./playerbar.jsx";
import { position, seek, step, toggle } from "./player.js";
import { go, route } from "./router.js";
import { Toasts } from "./toasts.jsx";
import { Discover } from "./views/discover.jsx";
import { Duplicates } from "./views/duplicates.jsx";
import { Identify } from "./views/identify.jsx";
import { Jobs } from "./views/jobs.jsx";
import { Library } from "./views/library.jsx";
import { SoundMap } from "./views/map.jsx";
import { Stations } from "./views/stations.jsx";
import { TrackView } from "./views/track.jsx";

const VIEWS = [
  { name: "identify", label: "Identify", view: Identify },
  { name: "library", label: "Library", view: Library },
  { name: "map", label: "Map", view: SoundMap },
  { name: "discover", label: "Discover", view: Discover },
  { name: "duplicates", label: "Duplicates", view: Duplicates },
  { name: "jobs", label: "Jobs", view: Jobs },
  { name: "stations", label: "Stations", view: Stations },
];

const KEYS = [
  ["Space", "Play or pause"],
  ["← →", "Five seconds back or on"],
  ["Shift ← →", "Previous or next track"],
  ["/", "Search the library"],
  ["1 … 7", "Open a view"],
  ["?", "Show these keys"],
];

function useTheme() {
  const [theme, setTheme] = useState(
    localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"),
  );
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  const flip = () => {
    const other = theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", other);
    setTheme(other);
  };
  return [theme, flip];
}

const Keys = ({ dialog }) => (
  <dialog ref={dialog} aria-label="Keyboard">
    <h2>Keyboard</h2>
    <dl class="facts" style={{ margin: "16px 0" }}>
      {KEYS.map(([key, what]) => (
        <>
          <dt>
            <kbd>{key}</kbd>
          </dt>
          <dd>{what}</dd>
        </>
      ))}
    </dl>
    <form method="dialog">
      <button class="button">Close</button>
    </form>
  </dialog>
);

function Side({ view, theme, flip, showKeys }) {
  return (
    <div class="side">
      <a class="brand" href="#/identify">
        <img src="icon.svg" alt="" />
        fingerprinter
      </a>
      <nav aria-label="Views">
        {VIEWS.map(({ name, label }) => (
          <a key={name} href={`#/${name}`} aria-current={view === name ? "page" : undefined}>
            <Icon name={name} />
            {label}
          </a>
        ))}
      </nav>
      <div class="side-foot">
        <button class="button quiet round" onClick={flip} aria-label={theme === "dark" ? "Light colours" : "Dark colours"}>
          <Icon name={theme === "dark" ? "sun" : "moon"} size={18} />
        </button>
        <button class="button quiet round" onClick={showKeys} aria-label="Keyboard">
          <Icon name="keyboard" size={18} />
        </button>
      </div>
    </div>
  );
}

function App() {
  const [theme, flip] = useTheme();
  const main = useRef();
  const keys = useRef();
  const { view, rest } = route.value;
  const known = view === "track" ? "library" : view;
  useEffect(() => {
    main.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [view, rest.join("/")]);
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
  const View = view === "track" ? TrackView : (VIEWS.find(({ name }) => name === view)?.view ?? Identify);
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => (event.preventDefault(), main.current.focus())}>
        Skip to the content
      </a>
      <div class="shell">
        <Side view={known} theme={theme} flip={flip} showKeys={() => keys.current.showModal()} />
        <main ref={main} id="content" tabIndex={-1}>
          <View key={view} />
        </main>
      </div>
      <PlayerBar />
      <Toasts />
      <Keys dialog={keys} />
    </>
  );
}

render(<App />, document.getElementById("app"));

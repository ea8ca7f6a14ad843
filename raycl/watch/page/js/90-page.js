// The frame of the page, and how it is drawn anew without losing focus, scrolling and open parts.

const openDetails = new Set();

// A part that can be opened; its content is made only when it is open.
function details(key, title, content) {
  const open = openDetails.has(key);
  return el("details", { key, open }, el("summary", { key: key + ":summary" }, title), open ? content() : null);
}

document.addEventListener("toggle", (event) => {
  const key = event.target.dataset && event.target.dataset.key;
  if (!key || event.target.open === openDetails.has(key)) return;
  if (event.target.open) openDetails.add(key);
  else openDetails.delete(key);
  if (event.target.children.length < 2) show();
}, true);

function head() {
  const now = sweepNow();
  const several = data.sweeps.length > 1;
  const theme = document.documentElement.dataset.theme || "auto";
  const next = { auto: dark() ? "light" : "dark", light: "dark", dark: "light" }[theme];
  const tabs = el("div", { class: "tabs", role: "tablist", "aria-label": "Views", key: "tabs", on: { keydown: moveInTabs } }, TABS.map(([name, title]) =>
    el("a", { role: "tab", id: "tab-" + name, href: "#" + fragment({ view: name, node: "" }), "aria-selected": String(name === state.view), "aria-controls": "main",
      tabindex: name === state.view ? "0" : "-1", key: "tab:" + name }, title)));
  return [el("div", { class: "bar-top" },
    el("div", { class: "brand" }, el("strong", {}, "raycl"), el("span", { class: "quiet where", title: data.storage }, data.storage)),
    el("span", { class: "grows" }),
    now && (several ? select("Sweep", data.sweeps.map((sweep) => [sweep.name, sweep.name]), now.name, (sweep) => go({ sweep, node: "" }, true)) : el("strong", { class: "sweep-name" }, now.name)),
    liveness(),
    button(next === "dark" ? "Dark" : "Light", () => {
      document.documentElement.dataset.theme = next;
      try {
        localStorage.setItem("raycl-theme", next);
      } catch { /* a file may have no storage; the choice then holds for this visit */ }
      show();
    }, { key: "theme", "aria-label": `Show the page ${next}` })), now && tabs];
}

function liveness() {
  if (gone) return el("span", { class: "live gone" }, `${refused ? "The server refuses: " + refused + "," : "The server does not answer"} since ${gone.toLocaleTimeString("en-GB")}; shown is what was known.`);
  if (live) return el("span", { class: "live" + (data.live ? " on" : "") }, data.live ? "training now" : "nothing trains");
  return el("span", { class: "live" }, "as of " + clock(data.read_at));
}

function moveInTabs(event) {
  const tabs = [...event.currentTarget.children];
  const at = tabs.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
  if (to === undefined || at < 0) return;
  event.preventDefault();
  const tab = tabs[(to + tabs.length) % tabs.length];
  tab.focus();
  location.hash = tab.getAttribute("href");
}

// Data that arrives while somebody has a list open or text selected waits for the next time.
function refresh() {
  const active = document.activeElement;
  let listOpen = active && active.tagName === "SELECT";
  try {
    listOpen = listOpen && active.matches(":open");
  } catch { /* older browsers cannot say it: then a list with the focus counts as open */ }
  if (listOpen || !getSelection().isCollapsed) return;
  show();
}

function show() {
  const view = document.getElementById("view");
  if (!data) {
    view.replaceChildren(quiet(gone ? refused || "The server does not answer yet." : "Reading the storage …"));
    return;
  }
  const kept = keepPlace();
  used = new Set();
  wanted = new Set();
  document.title = sweepNow() ? `${sweepNow().name} · raycl` : "raycl";
  document.getElementById("head").replaceChildren(...head().filter(Boolean));
  view.setAttribute("aria-labelledby", "tab-" + state.view);
  const parts = sweepNow() ? VIEWS[state.view]() : [section("Nothing yet", quiet("This storage has no sweep. It appears here as soon as one begins."))];
  const damaged = data.damaged.length > 0 && el("div", { class: "problem damaged" }, el("strong", {}, "Damaged in this storage"),
    el("ul", {}, data.damaged.map((text) => el("li", {}, text))));
  view.replaceChildren(...[damaged, ...parts].flat(Infinity).filter(Boolean));
  drawFigures();
  returnTo(kept);
}

function keepPlace() {
  const active = document.activeElement;
  const scrolled = [...document.querySelectorAll(".scroll[data-key], .tabs")].map((box) => [box.dataset.key, box.scrollLeft, box.scrollTop]);
  const key = active && active.dataset ? active.dataset.key : null;
  const typed = active && /^(search|text)$/.test(active.type) ? [active.selectionStart, active.selectionEnd] : null;
  return { scrolled, key, typed, y: window.scrollY };
}

function returnTo({ scrolled, key, typed, y }) {
  for (const [name, left, top] of scrolled) {
    const box = document.querySelector(`[data-key="${CSS.escape(name)}"]`);
    if (box) Object.assign(box, { scrollLeft: left, scrollTop: top });
  }
  if (key) {
    const again = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (again && again !== document.activeElement) again.focus({ preventScroll: true });
    if (again && typed) again.setSelectionRange(...typed);
  }
  if (Math.abs(window.scrollY - y) > 1 && show.view === state.view) window.scrollTo(0, y);
  if (show.view !== state.view) {
    const tab = document.getElementById("tab-" + state.view);
    if (tab) tab.scrollIntoView({ block: "nearest", inline: "center" });
    if (show.view) window.scrollTo(0, 0);
  }
  show.view = state.view;
}

function start() {
  try {
    const theme = localStorage.getItem("raycl-theme");
    if (theme) document.documentElement.dataset.theme = theme;
  } catch { /* as above */ }
  readState();
  const moved = () => {
    readState();
    show();
  };
  addEventListener("hashchange", moved);
  let fits = null;
  addEventListener("resize", () => {
    cancelAnimationFrame(fits);
    fits = requestAnimationFrame(fitFigures);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  startLoading();
}

// Curves of chosen runs, of any sweeps; those of runs that train grow while they do.

let pickerWords = "";

VIEWS.curves = () => {
  const runs = runsToShow();
  return [section("Curves",
    el("div", { class: "toolbar" },
      el("div", { class: "field" }, el("span", {}, "Over"), choice("Over", [["steps", "steps"], ["tokens", "tokens"]], state.x || "steps", (x) => go({ x: x === "steps" ? "" : x }))),
      el("div", { class: "field" }, el("span", {}, "Scale"), choice("Scale", [["linear", "linear"], ["log", "log"]], state.scale || "linear", (scale) => go({ scale: scale === "linear" ? "" : scale }))),
      select("Smoothing", [["", "off"], ["0.6", "a little"], ["0.9", "much"], ["0.98", "very much"]], state.smooth || "", (smooth) => go({ smooth })),
      runs.some(({ sweep }) => sweep.settings.length) &&
        el("div", { class: "field" }, el("span", {}, "Seeds"), choice("Seeds", [["band", "bands"], ["each", "each"]], state.seeds || "band", (seeds) => go({ seeds: seeds === "band" ? "" : seeds }))),
      check("rows read", state.rows === "1", (on) => go({ rows: on ? "1" : "" }))),
    runPicker(), lineLegend(runs),
    lineFigures(runs, (measure) => state.rows === "1" || !measure.startsWith("rows/"), "curves"))];
};

// All runs of the storage, to choose from.
function runPicker() {
  const chosen = new Set(chosenRuns());
  const words = pickerWords.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [...runIndex].filter(([key]) => words.every((word) => key.toLowerCase().includes(word)));
  const shown = all.slice(0, 120);
  const title = chosen.size ? `Choose runs (${chosen.size} chosen)` : "Choose runs (now: the best ones, and what trains)";
  const bySweep = data.sweeps.map((sweep) => [sweep, shown.filter(([, run]) => run.sweep === sweep)]).filter(([, list]) => list.length);
  return details("picker", title, () => [
    el("div", { class: "toolbar" },
      el("label", { class: "field grows" }, el("span", {}, "Search all sweeps"),
        el("input", { type: "search", value: pickerWords, key: "picker", on: { input: (e) => ((pickerWords = e.target.value), show()) } })),
      chosen.size > 0 && el("div", { class: "field" }, el("span", {}, " "), button("Choose none", () => choose([])))),
    el("div", { class: "scroll picker", key: "picker-scroll", tabindex: "0", role: "group", "aria-label": "Runs" },
      bySweep.map(([sweep, list]) => [data.sweeps.length > 1 && el("h3", {}, sweep.name),
        el("div", { class: "checks" }, list.map(([key, { recipe }]) => check(recipe.label, chosen.has(key), (on) => toggleRun(key, on), { key: "picker:" + key })))])),
    all.length > shown.length && quiet(`and ${count(all.length - shown.length)} more: search for them`),
  ]);
}

// Lines over training: which runs, which measure, and bands where a setting has several seeds.

const MOST_LINES = 8; // shown without having been chosen

const mainColumn = (sweep) => sweep.columns.find((c) => c.name === "average") || sweep.columns.find((c) => c.group === "loss" && c.better) || sweep.columns.find((c) => c.better) || sweep.columns[0];

// The runs that are chosen; where none is, those that train, the best ones and a baseline.
function runsToShow() {
  const chosen = chosenRuns().map(findRun);
  if (chosen.length) return chosen;
  const sweep = sweepNow();
  const column = mainColumn(sweep);
  const value = (recipe) => (column && finite(recipe.values[column.name]) ? recipe.values[column.name] * (column.better === 1 ? -1 : 1) : Infinity);
  const running = new Set(sweep.nodes.filter((node) => statusClass(node.status) === "training").flatMap((node) => node.recipes));
  const swept = sweep.recipes.filter((recipe) => !isBaseline(recipe)).sort((a, b) => running.has(b.label) - running.has(a.label) || value(a) - value(b));
  const settings = new Set(swept.map((recipe) => recipe.setting || recipe.label));
  const first = new Set([...settings].slice(0, MOST_LINES - 2));
  const union = sweep.recipes.filter((recipe) => recipe.kind === "union");
  return [...swept.filter((recipe) => first.has(recipe.setting || recipe.label)), ...union].map((recipe) => ({ sweep, recipe }));
}

// Lines: [{label, runs, colour, dash}]; the seeds of a setting are one line, unless each is asked for.
function linesOf(runs) {
  const several = new Set(runs.map((run) => run.sweep.name)).size > 1;
  const lines = new Map();
  for (const { sweep, recipe } of runs) {
    const name = state.seeds === "each" ? recipe.label : recipe.setting || recipe.label;
    const label = several ? `${name} · ${sweep.name}` : name;
    if (!lines.has(label)) lines.set(label, { label, sweep, runs: [] });
    lines.get(label).runs.push(recipe);
  }
  let place = 0;
  for (const line of lines.values()) {
    const baseline = line.runs.every(isBaseline);
    line.colour = baseline ? tone("quiet") : lineTone(place);
    line.dash = baseline ? "dash" : lineDash(place);
    if (!baseline) place += 1;
  }
  return [...lines.values()];
}

function tokensPerStep(sweep, recipe) {
  const of = (r) => {
    const last = findNode(r.nodes[r.nodes.length - 1]);
    return last && finite(r.values.tokens) && last.node.last_step ? r.values.tokens / last.node.last_step : null;
  };
  return of(recipe) || sweep.recipes.map(of).find(Boolean) || null;
}

function smooth(values, share) {
  if (!share) return values;
  let last = null;
  let weight = 0;
  return values.map((value) => {
    last = last === null ? (1 - share) * value : share * last + (1 - share) * value;
    weight = share * weight + (1 - share);
    return last / weight;
  });
}

function at({ steps, values }, step) { // between two points by a straight line
  let high = steps.findIndex((one) => one >= step);
  if (high < 0) return null;
  if (steps[high] === step || high === 0) return steps[high] === step ? values[high] : null;
  const share = (step - steps[high - 1]) / (steps[high] - steps[high - 1]);
  return values[high - 1] + share * (values[high] - values[high - 1]);
}

// The traces of one line in one figure: the mean, and the band of ± one sd over its seeds.
function lineTraces(line, measure, xUnit, share) {
  const curves = line.runs.map((recipe) => curve(recipe, measure)).filter((one) => one.steps.length);
  if (!curves.length) return [];
  const perStep = xUnit === "tokens" ? tokensPerStep(line.sweep, line.runs[0]) : 1;
  if (!perStep) return [];
  const base = curves.reduce((one, other) => (other.steps.length > one.steps.length ? other : one));
  const rows = base.steps.map((step, i) => meanAndSpread(curves.map((one) => (one === base ? one.values[i] : at(one, step)))));
  const x = base.steps.map((step) => step * perStep);
  const y = smooth(curves.length > 1 ? rows.map((row) => row.mean) : base.values, share);
  const sparse = measure.startsWith("validation/") && x.length <= 40;
  const mean = {
    type: "scatter", mode: sparse ? "lines+markers" : "lines", x, y, name: safe(line.label), marker: { size: 5, color: line.colour },
    line: { color: line.colour, width: measure === "loss" ? 1.6 : 2.2, dash: line.dash, shape: "linear" },
    hovertemplate: `<b>${safe(line.label)}</b><br>%{y:.4~g} at %{x:,} ${xUnit}<extra></extra>`,
  };
  if (curves.length < 2) return [mean];
  const half = rows.map((row) => row.sd || 0);
  const band = {
    type: "scatter", mode: "lines", hoverinfo: "skip", line: { width: 0 }, fill: "toself", fillcolor: withAlpha(hex(line.colour), 0.18),
    x: [...x, ...[...x].reverse()], y: [...y.map((v, i) => v + half[i]), ...y.map((v, i) => v - half[i]).reverse()],
  };
  return [band, mean];
}

const hex = (colour) => (/^#[0-9a-f]{6}$/i.test(colour) ? colour : "#778899");

const MEASURES = { loss: ["Training loss", "nats/token"], learning_rate: ["Learning rate", ""], tokens_per_second: ["Throughput", "tokens/s"] };
function measureTitle(measure) {
  if (measure.startsWith("validation/")) return [`Validation loss on ${measure.slice(11)}`, "nats/token"];
  if (measure.startsWith("rows/")) return [`Training rows of ${measure.slice(5)}`, "rows"];
  return MEASURES[measure] || [measure, ""];
}

// Where a stage ends and the next begins: quiet lines behind the curves.
function handOffs(runs, xUnit) {
  const found = new Map();
  for (const { sweep, recipe } of runs) {
    const perStep = xUnit === "tokens" ? tokensPerStep(sweep, recipe) : 1;
    recipe.nodes.forEach((name, place) => {
      const [one, next] = [findNode(name), findNode(recipe.nodes[place + 1])];
      if (one && next && one.node.stage !== next.node.stage && perStep) found.set(one.node.last_step * perStep, true);
    });
  }
  return [...found.keys()].slice(0, 12).map((x) => ({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, layer: "below", line: { color: tone("edge"), width: 1.2, dash: "dot" } }));
}

function lineFigures(runs, keep, key) {
  want([...new Set(runs.flatMap((run) => run.recipe.nodes))]);
  const lines = linesOf(runs);
  const xUnit = state.x === "tokens" ? "tokens" : "steps";
  const rank = (measure) => (measure.startsWith("validation/") ? 0 : ["loss", "learning_rate", "tokens_per_second"].indexOf(measure) + 1 || 9);
  const measures = measuresOf(runs.map((run) => run.recipe)).filter(keep).sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  if (!measures.length) return quiet(live && asking.size ? "Fetching the curves …" : "These runs have no curves yet.");
  return el("div", { class: "figures" }, measures.map((measure) => {
    const [title, unit] = measureTitle(measure);
    const smoothing = measure === "learning_rate" || measure.startsWith("rows/") ? 0 : Number(state.smooth || 0);
    const traces = lines.flatMap((line) => lineTraces(line, measure, xUnit, smoothing));
    const layout = {
      xaxis: axis(xUnit, { tickformat: xUnit === "tokens" ? "~s" : ",", exponentformat: "SI" }), shapes: handOffs(runs, xUnit), margin: { l: 60, r: 12, t: 8, b: 46 },
      yaxis: axis(unit, { type: state.scale === "log" ? "log" : "linear", tickformat: measure === "learning_rate" ? "~e" : measure === "loss" || measure.startsWith("validation/") ? "" : "~s", rangemode: measure === "learning_rate" || measure === "tokens_per_second" ? "tozero" : "normal" }),
    };
    return el("figure", {}, el("figcaption", {}, el("h3", {}, title)), figure(`${key}:${measure}`, `${title} over ${xUnit}, ${plural(lines.length, "line")}`, 290, traces, layout));
  }));
}

function lineLegend(runs) {
  const chosen = chosenRuns();
  return el("ul", { class: "legend lines" }, linesOf(runs).map((line) => {
    const keys = line.runs.map((recipe) => runKey(line.sweep, recipe));
    const mark = el("span", { class: "stroke " + line.dash, "aria-hidden": "true" });
    mark.style.borderColor = line.colour;
    return el("li", {}, mark, line.label, line.runs.length > 1 && el("small", { class: "quiet" }, ` ${plural(line.runs.length, "seed")}, band ± sd`),
      chosen.length > 0 && button("×", () => choose(chosen.filter((one) => !keys.includes(one))), { class: "drop", key: "drop:" + line.label, "aria-label": "Remove " + line.label }));
  }));
}

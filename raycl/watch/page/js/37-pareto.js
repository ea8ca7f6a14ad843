// Two measures at once: which runs no other one beats in both.

function paretoSection(sweep, measures) {
  const judged = measures.filter((column) => column.better);
  if (judged.length < 2) return null;
  const wanted = sweep.objective ? sweep.objective.columns : [];
  const usual = [...judged.filter((c) => wanted.includes(c.name)), ...judged.filter((c) => c.group === "loss" && c.name !== "average"), ...judged];
  const across = judged.find((column) => column.name === state.across) || usual[0];
  const up = judged.find((column) => column.name === state.up && column !== across) || usual.find((column) => column !== across);
  const runs = filtered(sweep).filter((recipe) => finite(recipe.values[across.name]) && finite(recipe.values[up.name]));
  const best = paretoFront(runs, across, up);
  const own = new Set(sweep.objective ? sweep.objective.front : []);
  const points = (list, extra) => ({
    type: "scatter", x: list.map((r) => r.values[across.name]), y: list.map((r) => r.values[up.name]), text: list.map((r) => safe(r.label)),
    hovertemplate: `<b>%{text}</b><br>${safe(columnTitle(across))} %{x:.${across.digits + 1}f}<br>${safe(columnTitle(up))} %{y:.${up.digits + 1}f}<extra></extra>`, mode: "markers", ...extra,
  });
  const front = runs.filter((recipe) => best.has(recipe)).sort((a, b) => a.values[across.name] - b.values[across.name]);
  const rest = runs.filter((recipe) => !best.has(recipe));
  const traces = [
    points(rest.filter((r) => !isBaseline(r)), { marker: { size: 8, color: tone("rest"), line: { width: 0 } } }),
    points(rest.filter(isBaseline), { marker: { size: 10, symbol: "diamond-open", color: tone("quiet") } }),
    points(front, { mode: front.length <= 7 && innerWidth > 700 ? "lines+markers+text" : "lines+markers", textposition: front.map((_, place) => (place > front.length / 2 ? "top left" : "top right")), textfont: { size: 12, color: tone("ink") }, cliponaxis: false, marker: { size: 10, color: lineTone(0), symbol: front.map((r) => (isBaseline(r) ? "diamond" : "circle")) }, line: { color: lineTone(0), width: 1.5, dash: "dot" } }),
  ];
  if (own.size) traces.push(points(runs.filter((r) => own.has(r.label)), { hoverinfo: "skip", hovertemplate: undefined, marker: { size: 18, symbol: "circle-open", color: lineTone(1), line: { width: 2 } } }));
  const layout = { xaxis: axis(measureUnit(across)), yaxis: axis(measureUnit(up)), margin: { l: 64, r: 20, t: 24, b: 52 } };
  const patch = (name, text) => el("li", {}, el("span", { class: "dot " + name, "aria-hidden": "true" }), text);
  return section("Trade-off",
    el("div", { class: "toolbar" }, select("Across", measureOptions(judged), across.name, (name) => go({ across: name, up: up.name === name ? across.name : up.name })),
      select("Up", measureOptions(judged.filter((c) => c !== across)), up.name, (name) => go({ up: name, across: across.name }))),
    sweep.objective && el("p", { class: "quiet" }, "The search's objective: ", sweep.objective.text),
    el("ul", { class: "legend" }, patch("front", "Pareto front of these two"), patch("rest", "other runs"), runs.some(isBaseline) && patch("base", "baselines"), own.size > 0 && patch("own", "front of the search's objective")),
    figure("pareto", `${measureName(up)} over ${measureName(across)}; on the front: ${front.map((r) => r.label).join(", ")}`, 420, traces, layout),
    el("p", { class: "quiet" }, front.length ? `On the front: ${front.slice(0, 12).map((r) => r.label).join(" · ")}${front.length > 12 ? ` and ${front.length - 12} more` : ""}.` : "No run that fits has both numbers."));
}

function paretoFront(runs, across, up) {
  const cost = (recipe, column) => -column.better * recipe.values[column.name]; // the lower, the better
  const points = runs.map((recipe) => [cost(recipe, across), cost(recipe, up), recipe]);
  const beats = ([a, b], [c, d]) => a <= c && b <= d && (a < c || b < d);
  return new Set(points.filter((point) => !points.some((other) => beats(other, point))).map(([, , recipe]) => recipe));
}

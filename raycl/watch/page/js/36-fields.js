// What the swept fields do: lines for one, a heat-map for two, parallel coordinates for more.

VIEWS.fields = () => {
  const sweep = sweepNow();
  const runs = filtered(sweep).filter((recipe) => !isBaseline(recipe));
  const measures = sweep.columns.filter((column) => runs.some((recipe) => finite(recipe.values[column.name])));
  const fields = sweep.fields.filter((field) => new Set(runs.map((r) => r.fields[field])).size > 1);
  if (!measures.length) return [section("Fields", quiet("No run has numbers yet."))];
  const measure = measures.find((column) => column.name === state.measure) || measures.find((c) => c === mainColumn(sweep)) || measures[0];
  return [fieldSection(sweep, runs, fields, measures, measure), paretoSection(sweep, measures)];
};

const measureOptions = (measures) => measures.map((column) => [column.name, measureName(column)]);
const measureName = (column) => `${column.group === column.title ? "" : column.group + ": "}${columnTitle(column)}`;
const measureUnit = (column) => `${measureName(column)}${column.unit ? ` (${column.unit})` : ""}`;

function fieldSection(sweep, runs, fields, measures, measure) {
  if (!fields.length) return section("Fields", quiet("No field has more than one value in these runs."));
  const kinds = [["lines", "lines"], ...(fields.length > 1 ? [["map", "heat-map"]] : []), ...(fields.length > 1 ? [["parallel", "parallel"]] : [])];
  const usual = fields.length === 1 ? "lines" : fields.length === 2 ? "map" : "parallel";
  const kind = kinds.some(([name]) => name === state.figure) ? state.figure : usual;
  const one = fields.includes(state.one) ? state.one : fields[0];
  const two = fields.includes(state.two) && state.two !== one ? state.two : fields.find((field) => field !== one);
  const names = fields.map((field) => [field, fieldName(field)]);
  const draw = { lines: () => fieldLines(sweep, runs, one, measures), map: () => fieldMap(runs, [one, two], measure), parallel: () => fieldParallel(runs, fields, measure) };
  return section("Fields",
    fields.length > 1 && el("div", { class: "toolbar" },
      kinds.length > 1 && el("div", { class: "field" }, el("span", {}, "Figure"), choice("Figure", kinds, kind, (figure) => go({ figure }))),
      kind !== "lines" && select("Measure", measureOptions(measures), measure.name, (name) => go({ measure: name })),
      kind !== "parallel" && fields.length > 1 && select(kind === "map" ? "Across" : "Field", names, one, (field) => go({ one: field })),
      kind === "map" && fields.length > 2 && select("Down", names.filter(([field]) => field !== one), two, (field) => go({ two: field }))),
    fieldFilters(sweep), draw[kind]());
}

const valuesOf = (runs, field) => [...new Map(runs.map((r) => [plain(r.fields[field]), r.fields[field]])).values()].filter((v) => v !== undefined && v !== null).sort(order);

function fieldLines(sweep, runs, field, measures) {
  const values = valuesOf(runs, field);
  const numeric = values.length > 12 && values.every((value) => !Number.isNaN(amount(value)));
  const shown = measures.filter((column) => ["loss", "change", "task"].includes(column.group) || measures.length < 4).slice(0, 9);
  const other = sweep.fields.filter((one) => one !== field && new Set(runs.map((r) => r.fields[one])).size > 1);
  return [
    quiet(other.length ? `Each point: mean ± sd over all values of ${other.map(fieldName).join(" and ")}.` : sweep.settings.length ? "Each point: mean ± sd over seeds." : "Each point is a run."),
    el("div", { class: "figures" }, shown.map((column, place) => {
      const points = values.map((value) => meanAndSpread(runs.filter((r) => plain(r.fields[field]) === plain(value)).map((r) => r.values[column.name])));
      const trace = {
        type: "scatter", mode: numeric ? "markers" : "lines+markers", x: values.map((value) => (numeric ? amount(value) : fieldText(field, value))), y: points.map((p) => p.mean),
        line: { color: lineTone(place), width: 2.2 }, marker: { size: numeric ? 6 : 8, color: lineTone(place) }, connectgaps: true,
        error_y: { type: "data", array: points.map((p) => p.sd || 0), visible: points.some((p) => p.sd), color: lineTone(place), thickness: 1.4, width: 4 },
        hovertemplate: `${safe(fieldName(field))} %{x}: <b>%{y:.${column.digits + 1}f}</b><extra></extra>`,
      };
      const amounts = values.map(amount).filter((v) => v > 0);
      const type = !numeric ? "category" : Math.max(...amounts) / Math.min(...amounts) > 20 && amounts.length === values.length ? "log" : "linear";
      const layout = { xaxis: axis(fieldName(field), { type }), yaxis: axis(column.unit || "", { tickformat: signed(column) ? "+" : "" }), margin: { l: 58, r: 14, t: 8, b: 48 } };
      return el("figure", {}, el("figcaption", {}, el("h3", {}, measureName(column))), figure(`line:${field}:${column.name}`, `${measureName(column)} by ${fieldName(field)}`, 250, [trace], layout));
    })),
  ];
}

// Dark is bad and light is good, whichever way the measure goes.
const scaleFor = (column) => ({ colorscale: VIRIDIS, reversescale: column.better !== 1 });
const colourBar = (column) => ({ title: { text: column.unit || "", font: { color: tone("quiet"), size: 12 } }, thickness: 12, outlinewidth: 0, tickfont: { color: tone("quiet"), size: 12 }, ticklen: 4 });

function fieldMap(runs, [one, two], column) {
  const [across, down] = [valuesOf(runs, one), valuesOf(runs, two)];
  const place = (x, y) => JSON.stringify([plain(x), plain(y)]);
  const inCell = new Map();
  for (const recipe of runs) {
    const name = place(recipe.fields[one], recipe.fields[two]);
    inCell.set(name, [...(inCell.get(name) || []), recipe.values[column.name]]);
  }
  const cells = down.map((y) => across.map((x) => meanAndSpread(inCell.get(place(x, y)) || [])));
  const small = across.length * down.length <= 120;
  const trace = {
    type: "heatmap", x: across.map((value) => fieldText(one, value)), y: down.map((value) => fieldText(two, value)), z: cells.map((row) => row.map((cell) => cell.mean)), ...scaleFor(column), xgap: 3, ygap: 3,
    text: cells.map((row) => row.map((cell) => number(cell.mean, column.digits, signed(column)))), hoverongaps: false,
    customdata: cells.map((row) => row.map((cell) => (cell.sd === null ? plural(cell.n, "run") : `± ${number(cell.sd, column.digits)} over ${plural(cell.n, "run")}`))),
    hovertemplate: `${safe(fieldName(one))} %{x}<br>${safe(fieldName(two))} %{y}<br><b>%{text}</b> %{customdata}<extra></extra>`, colorbar: colourBar(column),
  };
  const means = cells.flat().map((cell) => cell.mean).filter(finite);
  const [low, high] = [Math.min(...means), Math.max(...means)];
  const share = (value) => (high > low ? (column.better === 1 ? value - low : high - value) / (high - low) : 0.5);
  const annotations = !small ? [] : cells.flatMap((row, y) => row.map((cell, x) => ({ x, y, showarrow: false, text: finite(cell.mean) ? trace.text[y][x] : "",
    font: { size: 13, color: wordsOn(viridis(share(cell.mean ?? low))) } })));
  const layout = { annotations, xaxis: axis(fieldName(one), { type: "category", showgrid: false }), yaxis: axis(fieldName(two), { type: "category", showgrid: false }), margin: { l: 64, r: 8, t: 8, b: 52 } };
  return el("figure", {}, el("figcaption", {}, el("h3", {}, measureUnit(column))),
    figure(`map:${one}:${two}`, `${measureName(column)} by ${fieldName(one)} and ${fieldName(two)}`, Math.min(130 + down.length * 54, 620), [trace], layout));
}

// One line a run through an axis for each field, coloured by the measure: drawn as lines, so that it
// needs no WebGL, and prints; the filters above take the place of brushes.
function fieldParallel(runs, fields, column) {
  const known = runs.filter((recipe) => finite(recipe.values[column.name]));
  if (!known.length) return quiet("No run that fits has this number.");
  const axes = [...fields.map((field) => ({ title: fieldName(field), field, values: valuesOf(known, field), of: (r) => r.fields[field] })),
    { title: columnTitle(column), values: null, of: (r) => r.values[column.name] }];
  const scores = known.map((r) => r.values[column.name]);
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  const height = (one, recipe) => {
    if (!one.values) return high > low ? (one.of(recipe) - low) / (high - low) : 0.5;
    const place = one.values.findIndex((value) => plain(value) === plain(one.of(recipe)));
    return place < 0 ? null : one.values.length > 1 ? place / (one.values.length - 1) : 0.5;
  };
  const lift = (share) => (dark() ? 0.3 + 0.7 * share : 0.93 * share); // the far end of the scale is the page's own colour
  const colour = (value) => viridis(lift(high > low ? (column.better === 1 ? value - low : high - value) / (high - low) : 0.5));
  const worstFirst = [...known].sort((a, b) => (column.better === 1 ? 1 : -1) * (a.values[column.name] - b.values[column.name]));
  const traces = worstFirst.map((recipe, place) => ({
    type: "scatter", mode: "lines", x: axes.map((_, i) => i), y: axes.map((one) => height(one, recipe)), opacity: place >= worstFirst.length - 5 ? 1 : 0.55,
    line: { color: colour(recipe.values[column.name]), width: place >= worstFirst.length - 5 ? 3 : 1.5, shape: "spline", smoothing: 0.6 },
    hovertemplate: `<b>${safe(recipe.label)}</b><br>${safe(measureName(column))} ${number(recipe.values[column.name], column.digits)}<extra></extra>`,
  }));
  const marks = axes.flatMap((one, place) => {
    const ticks = one.values ? thin(one.values).map(([value, i]) => [fieldText(one.field, value), one.values.length > 1 ? i / (one.values.length - 1) : 0.5])
      : [0, 0.25, 0.5, 0.75, 1].map((share) => [number(low + share * (high - low), column.digits, signed(column)), share]);
    return ticks.map(([text, y]) => ({ x: place, y, text: safe(text), showarrow: false, xanchor: place === axes.length - 1 ? "left" : "right", xshift: place === axes.length - 1 ? 6 : -6,
      font: { size: 12, color: tone("ink") }, bgcolor: withAlpha(hex(tone("card")), 0.8), borderpad: 1 }));
  });
  const shapes = axes.map((_, x) => ({ type: "line", x0: x, x1: x, y0: 0, y1: 1, line: { color: tone("edge"), width: 1.5 } }));
  const layout = { annotations: marks, shapes, margin: { l: 66, r: 66, t: 16, b: 40 }, yaxis: { visible: false, range: [-0.06, 1.06], fixedrange: true },
    xaxis: { tickvals: axes.map((_, i) => i), ticktext: axes.map((one) => safe(one.title)), range: [-0.15, axes.length - 0.85], showgrid: false, zeroline: false, fixedrange: true, tickfont: { size: 12.5, color: tone("ink") } } };
  return el("figure", {}, el("figcaption", {}, el("h3", {}, measureUnit(column)), quiet("Each line is a run; lighter is better, the five best are thick.")),
    el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Figure", key: "parallel" }, el("div", { class: "wide" }, figure("parallel", `${measureName(column)} over ${plural(fields.length, "field")}`, 440, traces, layout))));
}

const thin = (values) => values.map((value, i) => [value, i]).filter((_, i) => values.length <= 9 || i % Math.ceil(values.length / 8) === 0);

// Black or white, whichever can be read on a colour: the relative luminance at which both are as good.
function wordsOn(colour) {
  const linear = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 ? "#000000" : "#ffffff";
}

function viridis(share) {
  const places = VIRIDIS.map(([at]) => at);
  const high = Math.max(1, places.findIndex((at) => at >= share));
  const within = (share - places[high - 1]) / (places[high] - places[high - 1]);
  const part = (colour, i) => parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  return "#" + [0, 1, 2].map((i) => Math.round(part(VIRIDIS[high - 1][1], i) * (1 - within) + part(VIRIDIS[high][1], i) * within).toString(16).padStart(2, "0")).join("");
}

// The table of runs: filters, units, groups, and what to do with the runs that are chosen.

const openGroups = new Set();

VIEWS.runs = () => {
  const sweep = sweepNow();
  const runs = sorted(filtered(sweep), sortValue);
  return [
    section("Runs", runsToolbar(sweep), fieldFilters(sweep), runsActions(sweep, runs), runsTable(sweep, runs),
      quiet(boldText(sweep)), columnHints(sweep)),
  ];
};

// What the shown columns mean, each kind of column once, and what ± is where it is shown.
function columnHints(sweep) {
  const columns = shownColumns(sweep);
  const hints = [...new Set(columns.map((column) => column.hint).filter((hint) => hint && !hint.startsWith("Loss: ")))];
  const errors = sweep.recipes.some((recipe) => columns.some((column) => finite((recipe.standard_errors || {})[column.name])));
  const spread = groupBy(sweep) !== "none" && "± beside a group: standard deviation over its runs.";
  const error = errors && "± beside a run: standard error of its loss over held-out documents; a difference between two runs is much surer.";
  return el("p", { class: "quiet hints" }, [sweep.measured, ...hints, spread, error].filter(Boolean).join(" "));
}

function boldText(sweep) {
  if (sweep.settings.length) return "Bold: a setting that is clearly the best of its column, over its seeds. Baselines are quiet.";
  return "Bold: the best number of its column; with one seed, a small difference may be chance. Baselines are quiet.";
}

function runsToolbar(sweep) {
  const kinds = [...new Set(sweep.recipes.map((r) => r.kind))];
  const statuses = [...new Set(sweep.recipes.map((r) => r.status))];
  const groups = [...new Set(sweep.columns.map((c) => c.group))].filter((group) => group !== "bits per byte" || !sweep.columns.some((c) => c.group === "loss"));
  const shown = shownGroups(sweep);
  const by = [["none", "nothing"], ...(sweep.settings.length ? [["setting", "setting (over seeds)"]] : []),
    ...sweep.fields.map((field) => ["f." + field, fieldName(field)])];
  return el("div", { class: "toolbar" },
    el("label", { class: "field grows" }, el("span", {}, "Search"),
      el("input", { type: "search", value: state.q || "", key: "q", placeholder: "label, kind or state", on: { input: (e) => go({ q: e.target.value }) } })),
    select("Kind", [["", "all"], ...kinds.map((kind) => [kind, kind])], state.kind || "", (kind) => go({ kind })),
    select("Status", [["", "all"], ...statuses.map((status) => [status, status])], state.status || "", (status) => go({ status })),
    select("Group by", by, groupBy(sweep), (group) => go({ group: group === "none" && !sweep.settings.length ? "" : group })),
    hasBits(sweep) && el("div", { class: "field" }, el("span", {}, "Unit"),
      choice("Unit", [["nats", "nats/token"], ["bits", "bits/byte"]], state.unit || "nats", (unit) => go({ unit: unit === "nats" ? "" : unit }))),
    groups.length > 1 && el("fieldset", { class: "field columns" }, el("legend", {}, "Columns"),
      el("div", { class: "checks" }, groups.map((group) => check(group, shown.includes(group), (on) => {
        const now = new Set(shown);
        const pair = group === "loss" ? ["loss", "bits per byte"] : [group];
        pair.forEach((one) => (on ? now.add(one) : now.delete(one)));
        go({ groups: [...now].join(",") || "none" });
      })))));
}

function fieldFilters(sweep) {
  if (!sweep.fields.length) return null;
  const active = sweep.fields.filter((field) => state["f." + field]).length;
  return details("filters", `Filter by swept field${active ? ` (${active} set)` : ""}`, () => [
    el("div", { class: "toolbar" }, sweep.fields.map((field, place) => {
      const values = [...new Set(sweep.recipes.map((r) => r.fields[field]).filter((v) => v !== undefined && v !== null))].sort(order);
      return el("label", { class: "field" }, el("span", { title: field }, fieldName(field)),
        el("input", { type: "text", list: "values" + place, value: state["f." + field] || "", key: "filter:" + field,
          placeholder: values.length > 2 ? `${fieldText(field, values[0])}..${fieldText(field, values[values.length - 1])}` : "value",
          on: { input: (e) => go({ ["f." + field]: e.target.value }) } }),
        el("datalist", { id: "values" + place }, values.slice(0, 60).map((value) => el("option", { value: fieldText(field, value) }))));
    })),
    quiet("A value, several with commas, a range such as 1e-3..3e-3, or a bound such as >=5%."),
  ]);
}

function runsActions(sweep, runs) {
  const chosen = chosenRuns();
  const filters = Object.keys(state).some((name) => ["q", "kind", "status"].includes(name) || name.startsWith("f."));
  const clear = Object.fromEntries(Object.keys(state).filter((n) => n === "q" || n === "kind" || n === "status" || n.startsWith("f.")).map((n) => [n, ""]));
  return el("div", { class: "actions" },
    el("span", { class: "quiet", id: "shown-runs" }, `${count(runs.length)} of ${plural(sweep.recipes.length, "run")}`),
    filters && button("Clear filters", () => go(clear)),
    el("span", { class: "grows" }),
    chosen.length > 0 && [el("span", {}, `${chosen.length} chosen`), link("Compare", { view: "compare" }, { class: "button" }),
      link("Curves", { view: "curves" }, { class: "button" }), button("Clear", () => choose([]), { key: "clear-chosen" })],
    button("Copy CSV", () => copy(runsAsCsv(sweep, runs))),
    button("Download CSV", () => download(sweep.name + ".csv", runsAsCsv(sweep, runs))));
}

function runsTable(sweep, runs) {
  if (!sweep.recipes.length) return quiet("No run yet.");
  const columns = shownColumns(sweep);
  const groups = grouped(sweep, runs);
  const bands = [];
  for (const column of columns) {
    const last = bands[bands.length - 1];
    const unit = column.group === "effort" || column.group === "task" ? "" : column.unit;
    const title = column.group === "bits per byte" ? "loss" : column.group;
    if (last && last.title === title && last.unit === unit) last.span += 1;
    else bands.push({ title, unit, span: 1 });
  }
  const seeds = sweep.settings.length > 0; // without seeds, each run is number 0
  const before = 1 + (seeds ? 1 : 0) + sweep.fields.length;
  const starts = new Set();
  bands.reduce((at, band) => (starts.add(columns[at].name), at + band.span), 0);
  const context = { columns, seeds, fields: sweep.fields, chosen: new Set(chosenRuns()), sweep, starts };
  const head = el("thead", {},
    el("tr", { class: "bands" }, el("td", { colspan: String(before), class: "first" }),
      bands.map((band) => el("th", { colspan: String(band.span), scope: "colgroup", class: "starts" }, band.title, band.unit && el("small", {}, " " + band.unit)))),
    el("tr", {}, sortHeader("run", "run", { class: "first" }), seeds && sortHeader("seed", "seed"),
      sweep.fields.map((field) => sortHeader("f." + field, fieldName(field), { title: field })),
      columns.map((column) => sortHeader(column.name, columnTitle(column), { better: column.better, title: [column.hint, column.name].filter(Boolean).join("\n"), class: starts.has(column.name) ? "starts" : null }))));
  const [rows, more] = firstRows("runs", groups || runs);
  const body = groups ? rows.flatMap((group) => groupRows(context, group)) : rows.map((recipe) => runRow(context, recipe));
  return el("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Table of runs", key: "runs-table" },
    el("table", { class: "runs" }, head, el("tbody", {}, body)), more,
    !runs.length && quiet("No run fits these filters."));
}

function runRow(context, recipe, inside = false) {
  const key = runKey(context.sweep, recipe);
  const best = new Set(recipe.best);
  const last = recipe.nodes[recipe.nodes.length - 1];
  const state = recipe.status === "finished" ? null : el("span", { class: "state " + statusClass(recipe.status) }, recipe.status);
  return el("tr", { class: [isBaseline(recipe) && "baseline", inside && "inside", context.chosen.has(key) && "chosen"].filter(Boolean).join(" ") },
    el("th", { scope: "row", class: "first" }, el("div", { class: "run" },
      el("label", { class: "pick" }, el("input", { type: "checkbox", checked: context.chosen.has(key), key: "pick:" + key,
        "aria-label": "Choose " + recipe.label, on: { change: (e) => toggleRun(key, e.target.checked) } })),
      last ? link(recipe.label, { view: "tree", node: last }, { class: "name", key: "run:" + key }) : el("span", { class: "name" }, recipe.label), state)),
    context.seeds && el("td", {}, plain(recipe.seed)),
    context.fields.map((field) => el("td", {}, isBaseline(recipe) && recipe.fields[field] === undefined ? "" : fieldText(field, recipe.fields[field]))),
    context.columns.map((column) => el("td", { class: [best.has(column.name) && "best", context.starts.has(column.name) && "starts"].filter(Boolean).join(" ") },
      cellText(recipe.values[column.name], column), errorText(recipe, column))));
}

function groupRows(context, group) {
  const open = openGroups.has(group.title);
  const best = new Set(group.best);
  const baseline = group.runs.every(isBaseline);
  const toggle = () => {
    if (open) openGroups.delete(group.title);
    else openGroups.add(group.title);
    show();
  };
  const same = (field) => (group.runs.every((r) => r.fields[field] === group.runs[0].fields[field]) ? fieldText(field, group.runs[0].fields[field]) : "");
  const row = el("tr", { class: "group" + (baseline ? " baseline" : "") },
    el("th", { scope: "row", class: "first" }, el("div", { class: "run" },
      el("button", { type: "button", class: "twisty", "aria-expanded": String(open), key: "group:" + group.title, on: { click: toggle },
        "aria-label": `${group.title}: ${plural(group.runs.length, "run")}` }, open ? "▾" : "▸"),
      el("span", { class: "name" }, group.title), el("small", { class: "quiet" }, "×" + group.runs.length))),
    context.seeds && el("td", {}, ""),
    context.fields.map((field) => el("td", {}, baseline ? "" : same(field))),
    context.columns.map((column) => el("td", { class: [best.has(column.name) && "best", context.starts.has(column.name) && "starts"].filter(Boolean).join(" "), title: spreadTitle(group.values[column.name], column) },
      spreadText(group.values[column.name], column))));
  return open ? [row, ...group.runs.map((recipe) => runRow(context, recipe, true))] : [row];
}

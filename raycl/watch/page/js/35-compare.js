// Two or more runs side by side: what differs in them, and by how much.

VIEWS.compare = () => {
  const chosen = chosenRuns().map(findRun);
  if (chosen.length < 2) {
    return [section("Compare", quiet(chosen.length ? "One run is chosen. Choose another one." : "Choose two or more runs, here or in the table of runs; they may be of different sweeps."), runPicker())];
  }
  return [
    section("Compare", runPicker(), compareTable(chosen)),
    section("Curves", lineLegend(chosen), lineFigures(chosen, (measure) => !measure.startsWith("rows/"), "compare")),
  ];
};

function compareTable(runs) {
  const several = new Set(runs.map((run) => run.sweep.name)).size > 1;
  const fields = [...new Set(runs.flatMap(({ sweep }) => sweep.fields))];
  const differ = (values) => new Set(values.map((value) => JSON.stringify(value ?? null))).size > 1;
  const onlyThose = state.same !== "1";
  const shownFields = fields.map((field) => [field, runs.map(({ recipe }) => recipe.fields[field])]).filter(([, values]) => !onlyThose || differ(values));
  const facts = [["kind", runs.map(({ recipe }) => recipe.kind)], ["seed", runs.map(({ recipe }) => recipe.seed)], ["status", runs.map(({ recipe }) => recipe.status)]]
    .filter(([, values]) => differ(values));
  const columns = [...new Map(runs.flatMap(({ sweep }) => sweep.columns).map((column) => [column.name, column])).values()]
    .filter((column) => runs.some(({ recipe }) => finite(recipe.values[column.name])));
  const corpora = [...new Set(runs.flatMap(({ recipe }) => Object.keys(recipe.rows)))];
  const first = runs[0].recipe;
  const shared = runs[0].recipe.nodes.filter((name) => runs.every(({ recipe }) => recipe.nodes.includes(name)));
  const bands = new Map();
  for (const column of columns) bands.set(column.group, [...(bands.get(column.group) || []), column]);
  const span = String(runs.length + 1);
  const value = (recipe, column) => {
    const [mine, theirs] = [recipe.values[column.name], first.values[column.name]];
    const gap = finite(mine) && finite(theirs) && recipe !== first ? mine - theirs : null;
    const good = gap === null || !column.better || Math.abs(gap) < 0.5 * 10 ** -column.digits ? "" : gap * column.better > 0 ? "better" : "worse";
    return el("td", {}, cellText(mine, column), errorText(recipe, column), gap !== null && el("small", { class: "gap " + good }, ` ${number(gap, column.digits, true)}`),
      good && el("span", { class: "unseen" }, " " + good));
  };
  return [
    shared.length > 0 && quiet(`They share ${plural(shared.length, "node")}: all that is before step ${count(findNode(shared[shared.length - 1]).node.last_step)}.`),
    el("div", { class: "actions" }, check("also fields that are equal", !onlyThose, (on) => go({ same: on ? "1" : "" })), el("span", { class: "grows" }), quiet("Small numbers with a sign: the difference to the first run; ±: the standard error of a loss.")),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Runs side by side", key: "compare-table" }, el("table", { class: "runs compare" },
      el("thead", {}, el("tr", {}, el("td", { class: "first" }), runs.map(({ sweep, recipe }) => el("th", { scope: "col" }, recipe.label, several && el("small", { class: "quiet block" }, sweep.name),
        button("Remove", () => choose(chosenRuns().filter((key) => key !== runKey(sweep, recipe))), { class: "small", key: "remove:" + runKey(sweep, recipe), "aria-label": "Remove " + recipe.label }))))),
      el("tbody", {},
        (facts.length > 0 || shownFields.length > 0) && el("tr", { class: "band" }, el("th", { colspan: span, scope: "rowgroup" }, "recipe")),
        facts.map(([name, values]) => el("tr", {}, el("th", { scope: "row", class: "first" }, name), values.map((one) => el("td", {}, plain(one))))),
        shownFields.map(([field, values]) => el("tr", {}, el("th", { scope: "row", class: "first", title: field }, field), values.map((one) => el("td", {}, fieldText(field, one))))),
        corpora.length > 0 && [el("tr", { class: "band" }, el("th", { colspan: span, scope: "rowgroup" }, "training rows read")),
          corpora.map((corpus) => el("tr", {}, el("th", { scope: "row", class: "first" }, corpus), runs.map(({ recipe }) => el("td", {}, count(recipe.rows[corpus])))))],
        [...bands].map(([group, list]) => [el("tr", { class: "band" }, el("th", { colspan: span, scope: "rowgroup" }, group, list[0].unit && group !== "effort" && group !== "task" ? el("small", {}, " " + list[0].unit) : null)),
          list.map((column) => el("tr", {}, el("th", { scope: "row", class: "first", title: column.name }, columnTitle(column)), runs.map(({ recipe }) => value(recipe, column))))])))),
  ];
}

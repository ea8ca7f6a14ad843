// What to do first, then how far the sweep is, then its tree.

VIEWS.overview = () => {
  const sweep = sweepNow();
  return [adviceCard(sweep), tiles(sweep), section("Tree", statusLegend(sweep), treeFigure(sweep, "overview", 520),
    el("p", {}, link("All nodes", { view: "tree" }, { class: "button" }))), sweepsCard(sweep)];
};

function adviceCard(sweep) {
  const advice = sweep.advice;
  return el("section", { class: "card advice" },
    el("h2", { class: "headline" }, sweep.headline || "Nothing is known yet."),
    advice && advice.points.length > 0 && el("ul", { class: "points" }, advice.points.map((point) =>
      el("li", { "data-kind": point.kind }, el("strong", {}, point.title), el("p", {}, point.text)))),
    advice && advice.command && [el("h3", {}, "Next"), command(advice.command)]);
}

function tiles(sweep) {
  const s = sweep.summary;
  const tile = (title, value, extra, view) => el(view ? "a" : "div", { class: "tile", href: view && "#" + fragment(view), key: view && "tile:" + title },
    el("span", { class: "term" }, title), el("span", { class: "value" }, value), extra);
  const nodes = (status, n) => tile(status, count(n), el("span", { class: "patch " + status, "aria-hidden": "true" }), { view: "tree", status: status });
  const share = s.steps_total ? s.steps_done / s.steps_total : 0;
  return el("section", { class: "tiles", "aria-label": "How far it is" },
    tile("steps", `${number(100 * share, share > 0 && share < 0.1 ? 1 : 0)} %`, [bar(share, `${count(s.steps_done)} of ${count(s.steps_total)} steps`),
      el("small", { class: "quiet" }, `${short(s.steps_done)} of ${short(s.steps_total)}${s.steps_shared ? `; ${short(s.steps_shared)} saved by sharing` : ""}`)]),
    nodes("finished", s.finished), nodes("training", s.training), s.silent > 0 && nodes("silent", s.silent), nodes("waiting", s.waiting), s.failed > 0 && nodes("failed", s.failed), s.held > 0 && nodes("held", s.held),
    finite(s.tokens_per_second) && s.training > 0 && tile("tokens/s", short(s.tokens_per_second)), finite(s.seconds_left) && s.training > 0 && tile("time left", lasts(s.seconds_left)));
}

function sweepsCard(now) {
  if (data.sweeps.length < 2) return null;
  return section("Sweeps in this storage", el("ul", { class: "sweeps" }, data.sweeps.map((sweep) => {
    const s = sweep.summary;
    return el("li", { "aria-current": sweep === now ? "true" : null },
      el("a", { href: "#" + fragment({ view: "overview", sweep: sweep.name, runs: "" }), key: "sweep:" + sweep.name }, sweep.name),
      bar(s.steps_total ? s.steps_done / s.steps_total : 0, `${count(s.steps_done)} of ${count(s.steps_total)} steps`),
      el("span", { class: "quiet" }, [`${count(s.finished)} of ${plural(s.nodes, "node")}`, s.training && `${count(s.training)} training`, s.silent && `${count(s.silent)} silent`, s.failed && `${count(s.failed)} failed`].filter(Boolean).join(", ")),
      el("p", { class: "quiet" }, sweep.headline));
  })));
}

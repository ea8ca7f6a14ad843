// The tree of nodes: a figure in which steps are the width and the runs that share a node its height,
// and the same as a list for the keyboard and for screen readers.

const STATUSES = [["finished", "✓"], ["training", "▶"], ["silent", "?"], ["waiting", "○"], ["failed", "✕"], ["held", "‖"]];
const statusClass = (status) => (STATUSES.some(([name]) => name === status) ? status : status === "unfinished" ? "waiting" : "held");
const statusSign = (status) => (STATUSES.find(([name]) => name === statusClass(status)) || ["", "○"])[1];
const folded = new Set();

VIEWS.tree = () => {
  const sweep = sweepNow();
  const known = state.node && findNode(state.node);
  const list = section("Nodes", treeToolbar(sweep), treeList(sweep));
  const overview = section("Tree", statusLegend(sweep), treeFigure(sweep, "tree"));
  if (!state.node) return [overview, list];
  const panel = known ? nodePanel(known.sweep, known.node)
    : section("Node", quiet("This storage has no such node any more."), link("Close", { node: "" }, { class: "button" }));
  return [overview, el("div", { class: "split" }, list, panel)];
};

// Nodes from the roots on, each before its children: [{node, level, children}].
function treeOrder(sweep) {
  const byName = new Map(sweep.nodes.map((node) => [node.name, { node, level: 1, children: [] }]));
  const roots = [];
  for (const entry of byName.values()) {
    const parent = byName.get(entry.node.parent);
    (parent && parent !== entry ? parent.children : roots).push(entry);
  }
  const found = [];
  const stack = [...roots].reverse();
  while (stack.length) {
    const entry = stack.pop();
    found.push(entry);
    for (const child of [...entry.children].reverse()) {
      child.level = entry.level + 1;
      stack.push(child);
    }
  }
  return found;
}

function statusLegend(sweep) {
  const numbers = STATUSES.map(([name]) => [name, sweep.nodes.filter((node) => statusClass(node.status) === name).length]);
  return el("ul", { class: "legend" }, numbers.filter(([, n]) => n).map(([name, n]) =>
    el("li", {}, el("span", { class: "patch " + name, "aria-hidden": "true" }), `${name} ${count(n)}`)));
}

function treeFigure(sweep, key, tallest = 620) {
  if (!sweep.nodes.length) return quiet("No node yet.");
  const entries = treeOrder(sweep);
  let leaves = 0;
  const place = new Map();
  for (const entry of [...entries].reverse()) { // children come before their parents
    if (!entry.children.length) place.set(entry, null);
  }
  for (const entry of entries) if (!entry.children.length) place.set(entry, [leaves, ++leaves]);
  for (const entry of [...entries].reverse()) {
    if (!entry.children.length) continue;
    const spans = entry.children.map((child) => place.get(child));
    place.set(entry, [Math.min(...spans.map(([a]) => a)), Math.max(...spans.map(([, b]) => b))]);
  }
  const height = Math.min(Math.max(leaves * 30, 90), tallest) + 56;
  const gap = Math.min(0.14, (leaves / (height - 56)) * 3);
  const bar = (list, start, end, colour, extra) => ({
    type: "bar", orientation: "h", base: list.map(start), x: list.map((e) => end(e) - start(e)),
    y: list.map((e) => (place.get(e)[0] + place.get(e)[1]) / 2), width: list.map((e) => place.get(e)[1] - place.get(e)[0] - gap),
    customdata: list.map((e) => e.node.name), marker: { color: colour, line: { width: 0 } }, ...extra,
  });
  const first = (entry) => entry.node.first_step;
  const traces = STATUSES.map(([status]) => {
    const list = entries.filter((entry) => statusClass(entry.node.status) === status);
    return bar(list, first, (e) => e.node.last_step, tone(status + "-fill"), { hovertext: list.map(({ node }) => hoverText(node)), hoverinfo: "text" });
  });
  for (const status of ["training", "silent", "failed", "held"]) {
    const list = entries.filter(({ node }) => statusClass(node.status) === status && node.step > node.first_step);
    traces.push(bar(list, first, (e) => e.node.step, tone(status + "-done"), { hoverinfo: "skip" }));
  }
  // Words stand above the colours, where a bar is high enough for them.
  const worded = entries.filter((e) => (place.get(e)[1] - place.get(e)[0]) * (height - 56) >= 12 * leaves || e.node.name === state.node);
  const words = bar(worded, first, (e) => e.node.last_step, "rgba(0,0,0,0)", {
    text: worded.map(({ node }) => " " + barText(node)), textposition: "inside", insidetextanchor: "start", textfont: { color: tone("ink"), size: 12 },
    hovertext: worded.map(({ node }) => hoverText(node)), hoverinfo: "text",
  });
  words.marker.line = { width: worded.map((e) => (e.node.name === state.node ? 2.5 : 0)), color: tone("ink") };
  const layout = {
    barmode: "overlay", bargap: 0, uniformtext: { mode: "hide", minsize: 11 }, margin: { l: 6, r: 18, t: 4, b: 46 },
    xaxis: axis("steps", { range: [0, Math.max(...entries.map((e) => e.node.last_step))], tickformat: "," }), yaxis: { visible: false, range: [leaves, 0], fixedrange: leaves < 60 },
  };
  const drawn = figure(key, `Tree of ${plural(sweep.nodes.length, "node")}; the list below says the same`, height, [...traces, words], layout);
  if (!drawn.clicks) {
    drawn.clicks = true;
    queueMicrotask(() => drawn.on && drawn.on("plotly_click", (event) => showNode(event.points[0].customdata)));
  }
  drawn.classList.add("clickable");
  return drawn;
}

function barText(node) {
  if (innerWidth < 640) return `${statusSign(node.status)} ${safe(node.stage)}`;
  const shared = node.recipes.length > 1 ? `  ·  ${node.recipes.length} runs` : node.recipes.length && node.recipes[0] !== node.stage ? `  ·  ${safe(node.recipes[0])}` : "";
  return `${statusSign(node.status)} ${safe(node.stage)}${shared}`;
}

function hoverText(node) {
  const lines = [`<b>${safe(node.stage)}</b> ${safe(node.short)}`, `${node.status}: step ${count(node.step)} of ${count(node.first_step)}–${count(node.last_step)}`];
  if (finite(node.loss)) lines.push(`loss ${number(node.loss, 3)}`);
  if (node.told) lines.push(safe(node.told));
  lines.push(node.recipes.length > 3 ? `shared by ${node.recipes.length} runs` : node.recipes.map(safe).join(", "));
  return lines.join("<br>");
}

function treeToolbar(sweep) {
  const statuses = STATUSES.map(([name]) => name).filter((name) => sweep.nodes.some((node) => statusClass(node.status) === name));
  const parents = treeOrder(sweep).filter((entry) => entry.children.length).map((entry) => entry.node.name);
  return el("div", { class: "toolbar" },
    el("label", { class: "field grows" }, el("span", {}, "Search"),
      el("input", { type: "search", value: state.q || "", key: "q", placeholder: "stage, run or name", on: { input: (e) => go({ q: e.target.value }) } })),
    select("Status", [["", "all"], ...statuses.map((status) => [status, status])], state.status || "", (status) => go({ status })),
    parents.length > 0 && el("div", { class: "field" }, el("span", { "aria-hidden": "true" }, " "),
      button(folded.size ? "Unfold all" : "Fold all", () => {
        if (folded.size) folded.clear();
        else parents.forEach((name) => folded.add(name));
        show();
      })));
}

function treeList(sweep) {
  const words = (state.q || "").toLowerCase().split(/\s+/).filter(Boolean);
  const filters = words.length > 0 || state.status;
  let hidden = Infinity; // nodes below this level are folded away
  const shown = treeOrder(sweep).filter((entry) => {
    const text = `${entry.node.stage} ${entry.node.name} ${entry.node.short} ${entry.node.recipes.join(" ")}`.toLowerCase();
    if (filters) return words.every((word) => text.includes(word)) && (!state.status || statusClass(entry.node.status) === state.status);
    if (entry.level > hidden) return false;
    hidden = folded.has(entry.node.name) ? entry.level : Infinity;
    return true;
  });
  if (!shown.length) return quiet("No node fits.");
  const current = shown.some((entry) => entry.node.name === state.node) ? state.node : shown[0].node.name;
  const [rows, more] = firstRows("nodes", shown, shown.findIndex((entry) => entry.node.name === current) + 20);
  return el("div", { class: "scroll tall", key: "tree-scroll" },
    el("ul", { class: "tree", role: "tree", "aria-label": "Nodes", on: { keydown: moveInTree } }, rows.map((entry) => treeRow(entry, filters, current))), more);
}

function treeRow({ node, level, children }, flat, current) {
  const shared = node.recipes.length;
  const share = (node.step - node.first_step) / Math.max(node.last_step - node.first_step, 1);
  const branches = children.length > 0 && !flat;
  const row = el("li", {
    role: "treeitem", "aria-level": String(flat ? 1 : level), "aria-selected": String(node.name === state.node), key: "node:" + node.name,
    "aria-expanded": branches ? String(!folded.has(node.name)) : null, tabindex: node.name === current ? "0" : "-1", class: statusClass(node.status),
    on: { click: (e) => (e.target.classList.contains("twist") ? fold(node.name) : showNode(node.name)) },
  },
    el("span", { class: "twist", "aria-hidden": "true" }, branches ? (folded.has(node.name) ? "▸" : "▾") : ""),
    el("span", { class: "sign " + statusClass(node.status), title: node.status }, statusSign(node.status), el("span", { class: "unseen" }, node.status)),
    el("span", { class: "what" }, el("strong", {}, node.stage), ` ${count(node.first_step)}–${count(node.last_step)} `,
      el("span", { class: "quiet" }, shared > 1 ? `shared by ${shared} runs` : node.recipes[0] === node.stage ? "" : node.recipes[0] || "")),
    el("span", { class: "numbers" }, statusClass(node.status) === "training" && bar(share, `step ${count(node.step)}`),
      el("span", { class: "told quiet" }, node.failure || (node.told === node.status ? "" : node.told)), finite(node.loss) && el("span", { class: "loss", title: "loss" }, number(node.loss, 3))));
  row.style.setProperty("--level", flat ? 0 : Math.min(level - 1, 8));
  return row;
}

function bar(share, text) {
  const percent = Math.max(0, Math.min(1, share || 0)) * 100;
  const inner = el("span", {});
  inner.style.width = percent + "%";
  return el("span", { class: "bar", role: "progressbar", "aria-valuenow": String(Math.round(percent)), "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": text, title: text }, inner);
}

function showNode(name) {
  go({ view: "tree", node: name }, true);
  const panel = document.querySelector(".node");
  if (!panel) return;
  if (innerWidth < 1040 || panel.getBoundingClientRect().top > innerHeight - 200) panel.scrollIntoView({ block: "start" });
  tell(`${panel.querySelector("h2").textContent} is shown.`);
}

function fold(name) {
  if (folded.has(name)) folded.delete(name);
  else folded.add(name);
  show();
}

function moveInTree(event) {
  const rows = [...event.currentTarget.children];
  const at = rows.indexOf(document.activeElement);
  if (at < 0) return;
  const name = rows[at].dataset.key.slice(5);
  const open = rows[at].getAttribute("aria-expanded");
  const level = Number(rows[at].getAttribute("aria-level"));
  const to = (place) => rows[place] && (rows.forEach((row) => (row.tabIndex = -1)), (rows[place].tabIndex = 0), rows[place].focus());
  const acts = {
    ArrowDown: () => to(at + 1), ArrowUp: () => to(at - 1), Home: () => to(0), End: () => to(rows.length - 1),
    ArrowRight: () => (open === "false" ? fold(name) : open && to(at + 1)),
    ArrowLeft: () => (open === "true" ? fold(name) : to(rows.slice(0, at).findLastIndex((row) => Number(row.getAttribute("aria-level")) < level))),
    Enter: () => showNode(name), " ": () => showNode(name),
  };
  if (!acts[event.key]) return;
  event.preventDefault();
  acts[event.key]();
}

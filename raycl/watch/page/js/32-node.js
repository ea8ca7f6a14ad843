// One node: where it comes from, how it goes, why it failed, and what can be asked of it.

let steering = null; // the answer to the last request

function nodePanel(sweep, node) {
  want([node.name]);
  const known = nodeData.get(node.name) || { curves: {}, logs: [] };
  const close = el("a", { href: "#" + fragment({ node: "" }), class: "button close", key: "close-node" }, "Close");
  const facts = [
    ["Steps", `${count(node.first_step)}–${count(node.last_step)}${node.step > node.first_step && node.step < node.last_step ? `, now at ${count(node.step)}` : ""}`],
    ["Loss", finite(node.loss) && number(node.loss, 4)],
    ["Throughput", finite(node.tokens_per_second) && `${short(node.tokens_per_second)} tokens/s`],
    ["Time left", statusClass(node.status) === "training" && finite(node.seconds_left) && lasts(node.seconds_left)],
    ["Workers", finite(node.workers) && count(node.workers)], ["Last sign of life", node.updated && `${clock(node.updated)}, ${ago(node.updated)}`],
    ["State", node.name],
  ].filter(([, value]) => value);
  return el("section", { class: "card node", "aria-label": "Node " + node.short },
    el("div", { class: "title" }, el("h2", {}, `${node.stage} `, el("span", { class: "quiet" }, node.short)), close),
    el("p", {}, el("span", { class: "state " + statusClass(node.status) }, statusSign(node.status) + " " + node.status), " ", node.told || ""),
    node.failure && el("div", { class: "problem", role: "note" }, el("strong", {}, "It failed: "), node.failure),
    statusClass(node.status) === "training" && bar((node.step - node.first_step) / Math.max(node.last_step - node.first_step, 1), `step ${count(node.step)}`),
    el("dl", {}, facts.flatMap(([term, value]) => [el("dt", {}, term), el("dd", {}, value)])),
    el("h3", {}, "From the root to here"), lineage(sweep, node),
    el("h3", {}, node.recipes.length > 1 ? `Shared by ${node.recipes.length} runs` : "Run"),
    el("ul", { class: "plain" }, node.recipes.slice(0, 12).map((label) => el("li", {}, label)), node.recipes.length > 12 && el("li", { class: "quiet" }, `and ${node.recipes.length - 12} more`)),
    rowsRead(known.curves), nodeFigure(node, known.curves), nodeLog(known.logs), nodeCommands(node));
}

function lineage(sweep, node) {
  const byName = new Map(sweep.nodes.map((one) => [one.name, one]));
  const line = [];
  for (let at = node; at && line.length < 200 && !line.includes(at); at = byName.get(at.parent)) line.unshift(at);
  return el("ol", { class: "lineage" }, line.map((one) => el("li", { "aria-current": one === node ? "true" : null },
    one === node ? el("strong", {}, one.stage) : link(one.stage, { view: "tree", node: one.name }, { key: "lineage:" + one.name }),
    el("span", { class: "quiet" }, ` ${count(one.first_step)}–${count(one.last_step)}`))));
}

function rowsRead(curves) {
  const rows = Object.entries(curves).filter(([measure]) => measure.startsWith("rows/")).map(([measure, [, values]]) => [measure.slice(5), values[values.length - 1]]);
  if (!rows.length) return null;
  const all = rows.reduce((sum, [, value]) => sum + value, 0);
  return [el("h3", {}, "Training rows read"), el("table", { class: "small" }, el("tbody", {}, rows.map(([corpus, value]) =>
    el("tr", {}, el("th", { scope: "row" }, corpus), el("td", {}, count(value)), el("td", {}, all ? number((100 * value) / all, 1) + " %" : "–")))))];
}

function nodeFigure(node, curves) {
  const names = Object.keys(curves).filter((measure) => measure === "loss" || measure.startsWith("validation/"));
  if (!names.length) return null;
  const traces = names.map((name, place) => ({
    type: "scatter", mode: curves[name][0].length > 1 ? "lines" : "markers", x: curves[name][0], y: curves[name][1], name: name === "loss" ? "training" : safe(name.slice(11)),
    line: { color: lineTone(place), width: name === "loss" ? 1.2 : 2.2 }, hovertemplate: "%{y:.3f} at step %{x}",
  }));
  const layout = { showlegend: true, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { color: tone("ink") } }, margin: { l: 50, r: 8, t: 34, b: 44 },
    xaxis: axis("steps"), yaxis: axis("loss (nats/token)") };
  return [el("h3", {}, "Loss"), figure("node:" + node.name, "Loss of the node", 250, traces, layout)];
}

function nodeLog(lines) {
  if (!lines.length) return null;
  return [el("h3", {}, "Log"), el("ol", { class: "log scroll", tabindex: "0", key: "log", "aria-label": "Log, the newest last" },
    lines.slice(-200).map((line) => el("li", {}, el("time", { datetime: line.at }, new Date(line.at).toLocaleTimeString("en-GB")), " ",
      el("span", { class: "quiet" }, line.kind), " ", line.text)))];
}

function nodeCommands(node) {
  const status = statusClass(node.status);
  const where = `--storage ${shellWord(data.storage)}`;
  const offers = {
    finished: [["Export the model", `raycl export ${node.name} my-model ${where}`], ["Go on from here with other settings", `raycl branch ${node.name} --set FIELD=VALUE ${where}`]],
    training: [["Save and wait", `raycl pause ${node.name} ${where}`], ["Save and leave", `raycl stop ${node.name} ${where}`]],
    silent: [["Take it over", "raycl sweep RECIPE " + where]],
    waiting: [["Let it wait", `raycl pause ${node.name} ${where}`], ["Leave it out", `raycl stop ${node.name} ${where}`]],
    failed: [["Try again", `raycl retry ${node.name} ${where}`]],
    held: [["Let it go on", `raycl resume ${node.name} ${where}`]],
  }[status];
  const actions = { training: ["pause", "stop"], waiting: ["pause", "stop"], failed: ["retry"], held: ["resume", "stop"] }[status] || [];
  return [el("h3", {}, "What can be done"),
    maySteer() && actions.length > 0 && el("div", { class: "actions" }, actions.map((action) =>
      button(action[0].toUpperCase() + action.slice(1), () => askFor(action, node.name), { key: "steer:" + action }))),
    steering && steering.node === node.name && el("p", { class: steering.wrong ? "problem" : "answer", role: "status" }, steering.text),
    offers.map(([what, text]) => [el("p", { class: "quiet tight" }, what), command(text)])];
}

const shellWord = (text) => (/^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`);

async function askFor(action, name) {
  steering = { node: name, text: "Asking …" };
  show();
  try {
    steering = { node: name, text: (await steer(action, [name], "")) || "Recorded." };
  } catch (problem) {
    steering = { node: name, text: problem.message, wrong: true };
  }
  tell(steering.text);
  show();
}

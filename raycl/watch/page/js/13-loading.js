// Where the snapshot comes from: from inside the page, or from the server, again and again.

const EVERY = 3000; // milliseconds between two questions while a node trains
const SLOWEST = 60000;
const AT_ONCE = 40; // nodes in one question; their names stand in the address

const TOKEN = "raycl-token";
let token = "";
let refused = ""; // why the server does not answer, in its own words
let live = false; // whether a server is asked
let etag = null;
let failures = 0;
let gone = null; // since when the server does not answer
let wanted = new Set(); // nodes whose curves the present view shows
const asking = new Set();

function startLoading() {
  const inside = JSON.parse(document.getElementById("snapshot").textContent);
  if (inside) return take(inside);
  live = true;
  keepToken();
  return ask();
}

// The token comes with the address that the server printed. It leaves the address, so that no view
// that somebody passes on has it, and stays for this tab.
function keepToken() {
  token = state.token || sessionStorage.getItem(TOKEN) || "";
  if (!state.token) return;
  sessionStorage.setItem(TOKEN, token);
  history.replaceState(null, "", "#" + fragment({ token: "" }));
  readState();
}

const withToken = (headers = {}) => (token ? { ...headers, "X-Raycl-Token": token } : headers);

function take(snapshot) {
  data = snapshot;
  index();
  for (const [name, curves] of Object.entries(snapshot.curves || {})) {
    nodeData.set(name, { curves, logs: (snapshot.logs || {})[name] || [], whole: true });
  }
  for (const [name, logs] of Object.entries(snapshot.logs || {})) {
    if (!nodeData.has(name)) nodeData.set(name, { curves: {}, logs, whole: true });
  }
  show();
}

async function ask() {
  try {
    const headers = withToken(etag ? { "If-None-Match": etag } : {});
    const answer = await fetch("api/snapshot", { headers, cache: "no-store" });
    if (answer.status === 200) {
      const snapshot = await answer.json();
      etag = answer.headers.get("ETag");
      renewed(snapshot);
    } else if (answer.status !== 304) {
      refused = (await answer.json().catch(() => ({}))).error || "";
      throw new Error("status " + answer.status);
    }
    refused = "";
    const back = gone !== null;
    failures = 0;
    gone = null;
    if (back) {
      tell("The server answers again.");
      show();
    }
  } catch {
    failures += 1;
    if (gone === null) {
      gone = new Date();
      tell("The server does not answer.");
      show();
    }
  }
  const pause = EVERY * (data && data.live ? 1 : 3) * 2 ** Math.min(failures, 6);
  setTimeout(ask, Math.min(pause, SLOWEST));
}

// Curves that may have grown are asked for again; those of finished nodes stay as they are.
function renewed(snapshot) {
  const finished = data ? data.live && !snapshot.live : false;
  data = snapshot;
  index();
  for (const [name, known] of nodeData) {
    const node = findNode(name);
    if (!node || node.node.status !== "finished" || known.status !== "finished") known.whole = false;
  }
  if (finished) tell("Nothing trains any more.");
  refresh();
}

// The curves and logs of nodes, as far as they are known; the rest is asked for.
function want(names) {
  names.forEach((name) => wanted.add(name));
  if (live) fill();
}

async function fill() {
  const missing = [...wanted].filter((name) => !asking.has(name) && !(nodeData.get(name) || {}).whole);
  if (!missing.length) return;
  const part = missing.slice(0, AT_ONCE);
  part.forEach((name) => asking.add(name));
  try {
    const answer = await fetch("api/nodes?names=" + part.map(encodeURIComponent).join(","), { headers: withToken(), cache: "no-store" });
    if (!answer.ok) return;
    const { curves, logs } = await answer.json();
    for (const name of part) {
      const status = (findNode(name) || { node: {} }).node.status;
      nodeData.set(name, { curves: curves[name] || {}, logs: logs[name] || [], whole: true, status });
    }
  } catch {
    return; // the next snapshot asks again
  } finally {
    part.forEach((name) => asking.delete(name));
  }
  refresh();
}

const stepsOfCurve = (name, measure) => ((nodeData.get(name) || { curves: {} }).curves || {})[measure];

// A recipe's curve is those of its nodes, one after the other.
function curve(recipe, measure) {
  const steps = [];
  const values = [];
  for (const name of recipe.nodes) {
    const part = stepsOfCurve(name, measure);
    if (!part) continue;
    for (let i = 0; i < part[0].length; i++) {
      if (steps.length && part[0][i] <= steps[steps.length - 1]) continue;
      steps.push(part[0][i]);
      values.push(part[1][i]);
    }
  }
  return { steps, values };
}

function measuresOf(recipes) {
  const found = new Set();
  for (const recipe of recipes) {
    for (const name of recipe.nodes) {
      for (const measure of Object.keys((nodeData.get(name) || { curves: {} }).curves || {})) found.add(measure);
    }
  }
  return [...found];
}

async function steer(action, nodes, note) {
  const answer = await fetch("api/steer", {
    method: "POST",
    headers: withToken({ "Content-Type": "application/json" }),
    body: JSON.stringify({ action, nodes, note }),
  });
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 404 || answer.status === 405) throw new Error("This server was started without --steer.");
  if (!answer.ok) throw new Error(said.error || "The server refused with status " + answer.status + ".");
  return (said.answers || []).map((one) => one.text).join(" ");
}

const maySteer = () => live && token !== "" && data.steer !== false;

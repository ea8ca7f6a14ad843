// What is shown stands in the address, after the #: a view can be linked, and "back" goes back.

const VIEWS = {}; // name -> function that returns the view's elements
const TABS = [["overview", "Overview"], ["tree", "Tree"], ["runs", "Runs"], ["curves", "Curves"],
  ["fields", "Fields"], ["compare", "Compare"], ["facts", "Facts"]];
const KEEPS = ["sweep", "runs"]; // what another view keeps: the sweep and the chosen runs

let state = {};
let data = null; // the snapshot
const nodeData = new Map(); // name of a node -> {curves, logs}

function readState() {
  state = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  if (!VIEWS[state.view]) state.view = "overview";
}

// The address of this view with some things different, or of another one.
function fragment(patch) {
  const begin = patch.view && patch.view !== state.view
    ? Object.fromEntries(KEEPS.filter((name) => state[name]).map((name) => [name, state[name]])) : state;
  const next = { view: state.view, ...begin, ...patch };
  const pairs = Object.entries(next).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return new URLSearchParams(pairs).toString();
}

// `step` makes a step of the browser's history; small changes, such as letters of a filter, make none.
function go(patch, step = false) {
  const next = "#" + fragment(patch);
  if (step) history.pushState(null, "", next);
  else history.replaceState(null, "", next);
  readState();
  show();
}

const sweepNow = () => data.sweeps.find((sweep) => sweep.name === state.sweep) || data.sweeps[0];

// A run of any sweep is known by "sweep/label".
const runKey = (sweep, recipe) => `${sweep.name}/${recipe.label}`;

function chosenRuns() {
  let keys = [];
  try {
    keys = JSON.parse(state.runs || "[]");
  } catch {
    return [];
  }
  return Array.isArray(keys) ? keys.filter((key) => findRun(key)) : [];
}

function choose(keys) {
  go({ runs: keys.length ? JSON.stringify(keys) : "" });
}

function toggleRun(key, on) {
  const others = chosenRuns().filter((one) => one !== key);
  choose(on ? [...others, key] : others);
}

let runIndex = new Map();
let nodeIndex = new Map();

function index() {
  runIndex = new Map();
  nodeIndex = new Map();
  for (const sweep of data.sweeps) {
    for (const recipe of sweep.recipes) runIndex.set(runKey(sweep, recipe), { sweep, recipe });
    for (const node of sweep.nodes) if (!nodeIndex.has(node.name)) nodeIndex.set(node.name, { sweep, node });
  }
}

const findRun = (key) => runIndex.get(key);
const findNode = (name) => nodeIndex.get(name);

const isBaseline = (recipe) => ["previous", "union", "scratch", "alone"].includes(recipe.kind);
const columnTitle = (column) => column.title || column.name;
const signed = (column) => ["change", "transfer"].includes(column.group) && column.unit !== "tokens";

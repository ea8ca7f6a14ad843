// Which runs are shown, in which order and in which groups; and how a run's numbers become cells.

const fieldName = (field) => field.split(".").slice(-2).join(" ").replace(/_/g, " ");

// A value of a swept field; shares of replay are told in percent, as recipes have them.
function fieldText(field, value) {
  return finite(value) && /(^|\.)replay$/.test(field) ? Number((100 * value).toPrecision(4)) + "%" : plain(value);
}

// Whether a value is what somebody typed: 5%, >=1e-3, 1e-3..3e-3, words, or several with commas.
function fits(pattern, value) {
  const text = pattern.trim();
  if (!text) return true;
  if (text.includes(",")) return text.split(",").some((part) => part.trim() && fits(part, value));
  const range = /^(.*?)\.\.(.*)$/.exec(text);
  const bound = /^(>=|<=|>|<)(.*)$/.exec(text);
  const has = amount(value);
  if (range) {
    const [low, high] = [range[1], range[2]].map((end) => (end.trim() ? amount(end) : null));
    return (low === null || has >= low) && (high === null || has <= high);
  }
  if (bound) {
    const limit = amount(bound[2]);
    return { ">=": has >= limit, "<=": has <= limit, ">": has > limit, "<": has < limit }[bound[1]];
  }
  const exact = amount(text);
  if (!Number.isNaN(exact) && !Number.isNaN(has)) return Math.abs(has - exact) <= 1e-9 * Math.max(1, Math.abs(exact));
  return String(value ?? "").toLowerCase().includes(text.toLowerCase());
}

function filtered(sweep) {
  const words = (state.q || "").toLowerCase().split(/\s+/).filter(Boolean);
  const patterns = sweep.fields.map((field) => [field, state["f." + field]]).filter(([, pattern]) => pattern);
  return sweep.recipes.filter((recipe) => {
    const text = `${recipe.label} ${recipe.kind} ${recipe.state}`.toLowerCase();
    return words.every((word) => text.includes(word)) && (!state.kind || recipe.kind === state.kind)
      && (!state.status || recipe.status === state.status)
      && patterns.every(([field, pattern]) => fits(pattern, recipe.fields[field]));
  });
}

const DEFAULT_GROUPS = ["loss", "bits per byte", "change"];
const shownGroups = (sweep) => {
  const all = [...new Set(sweep.columns.map((column) => column.group))];
  if (state.groups) return state.groups.split(",");
  const usual = all.filter((group) => DEFAULT_GROUPS.includes(group) || group === "task");
  return usual.length ? usual : all;
};

const hasBits = (sweep) => sweep.columns.some((column) => column.group === "bits per byte");
const hidesUnit = () => (state.unit === "bits" ? "loss" : "bits per byte");

function shownColumns(sweep) {
  const groups = shownGroups(sweep);
  const twoUnits = hasBits(sweep) && sweep.columns.some((column) => column.group === "loss");
  const shown = sweep.columns.filter((column) => groups.includes(column.group) && !(twoUnits && column.group === hidesUnit()));
  const places = [...new Set(shown.map((column) => column.group))];
  return shown.sort((a, b) => places.indexOf(a.group) - places.indexOf(b.group)); // the columns of a group side by side
}

function sortValue(recipe) {
  const sort = state.sort;
  if (sort === "run") return recipe.label;
  if (sort === "seed" || sort === "status" || sort === "kind") return recipe[sort];
  if (sort.startsWith("f.")) return recipe.fields[sort.slice(2)];
  return recipe.values[sort];
}

function sorted(list, value) {
  if (!state.sort) return list;
  const direction = state.dir === "down" ? -1 : 1;
  return list.map((item, place) => [item, value(item), place]).sort(([, a, i], [, b, j]) => {
    const lost = (it) => it === null || it === undefined;
    if (lost(a) || lost(b)) return lost(a) - lost(b) || i - j; // runs without the number stay last
    return direction * order(a, b) || i - j;
  }).map(([item]) => item);
}

function sortBy(name, better) {
  const first = better === 1 ? "down" : "up";
  const second = first === "up" ? "down" : "up";
  if (state.sort !== name) go({ sort: name, dir: first });
  else if (state.dir === first) go({ dir: second });
  else go({ sort: "", dir: "" });
}

function sortHeader(name, text, props = {}) {
  const by = state.sort === name ? (state.dir === "down" ? "descending" : "ascending") : "none";
  return el("th", { scope: "col", "aria-sort": by, class: props.class, title: props.title },
    button(text, () => sortBy(name, props.better), { class: "sort", key: "sort:" + name }));
}

// Groups of runs: [{title, values: column -> {mean, sd, n}, best, runs}], or null without groups.
function grouped(sweep, runs) {
  const by = groupBy(sweep);
  if (by === "none") return null;
  const groups = new Map();
  for (const recipe of runs) {
    const key = by === "setting" ? recipe.setting || recipe.label
      : isBaseline(recipe) ? "baselines" : fieldText(by.slice(2), recipe.fields[by.slice(2)]);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(recipe);
  }
  const settings = new Map(sweep.settings.map((setting) => [setting.setting, setting]));
  const list = [...groups].map(([title, members]) => {
    const known = by === "setting" && settings.get(title);
    const whole = known && known.seeds === members.length; // its numbers hold for all of its seeds
    const values = {};
    for (const column of sweep.columns) {
      values[column.name] = (whole && known.values[column.name]) || meanAndSpread(members.map((r) => r.values[column.name]));
    }
    return { title, values, best: whole ? known.best || [] : [], runs: members, field: members[0].fields[by.slice(2)] };
  });
  const isColumn = sweep.columns.some((column) => column.name === state.sort);
  if (isColumn) return sorted(list, (group) => group.values[state.sort].mean);
  return by === "setting" ? list : list.sort((a, b) => order(a.field, b.field));
}

const groupBy = (sweep) => state.group || (sweep.settings.length ? "setting" : "none");

// A column's number as text; millions of tokens are told in short.
function cellText(value, column) {
  return column.unit === "tokens" && finite(value) && Math.abs(value) >= 1e5 ? short(value) : number(value, column.digits, signed(column));
}

// The standard error of a run's loss, with at least one digit that is not 0.
function errorText(recipe, column) {
  const error = (recipe.standard_errors || {})[column.name];
  if (!finite(error)) return null;
  const digits = error > 0 ? Math.min(5, Math.max(column.digits, Math.ceil(-Math.log10(error)))) : column.digits;
  return el("small", { class: "quiet error", title: "standard error over held-out documents" }, ` ± ${number(error, digits)}`);
}

function spreadText(value, column) {
  if (!value || !finite(value.mean)) return "–";
  const mean = cellText(value.mean, column);
  return finite(value.sd) ? `${mean} ± ${cellText(value.sd, { ...column, group: "" })}` : mean;
}

function spreadTitle(value, column) {
  if (!value || !finite(value.low) || !finite(value.high)) return value && value.n ? plural(value.n, "run") : null;
  return `95 % interval ${number(value.low, column.digits, signed(column))} to ${number(value.high, column.digits, signed(column))}, ${plural(value.n, "seed")}`;
}

function runsAsCsv(sweep, runs) {
  const quote = (value) => {
    if (finite(value)) return String(value);
    let text = String(value ?? "");
    if (/^[=+\-@\t\r]/.test(text)) text = "'" + text; // a spreadsheet would compute it
    return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  const sure = sweep.columns.filter((column) => column.group === "loss" && runs.some((r) => finite((r.standard_errors || {})[column.name])));
  const head = ["recipe", "setting", "seed", "kind", "status", "state", ...sweep.fields, ...sweep.columns.map((c) => c.name),
    ...sure.map((column) => column.name.replace("loss/", "standard_error/"))];
  const lines = runs.map((r) => [r.label, r.setting, r.seed, r.kind, r.status, r.state,
    ...sweep.fields.map((field) => r.fields[field]), ...sweep.columns.map((column) => r.values[column.name]),
    ...sure.map((column) => (r.standard_errors || {})[column.name])]);
  return [head, ...lines].map((line) => line.map(quote).join(",")).join("\n") + "\n";
}

// Numbers and times as people write them.

const finite = (value) => typeof value === "number" && Number.isFinite(value);

const writers = new Map(); // making one costs more than using it a hundred times
function writer(digits) {
  if (!writers.has(digits)) writers.set(digits, new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  return writers.get(digits);
}

function number(value, digits = 2, signed = false) {
  if (!finite(value)) return "–";
  const text = writer(digits).format(Math.abs(value));
  const zero = !/[1-9]/.test(text);
  return (value < 0 && !zero ? "−" : signed && !zero ? "+" : "") + text;
}

const count = (value) => number(value, 0);

function short(value) { // 1234567 -> 1.2M
  if (!finite(value)) return "–";
  const sizes = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];
  for (const [size, sign] of sizes) {
    if (Math.abs(value) >= size) return number(value / size, value / size < 10 ? 1 : 0) + sign;
  }
  return number(value, value < 10 && value % 1 ? 1 : 0);
}

function plain(value) { // a swept field's value
  if (!finite(value)) return value === null || value === undefined ? "–" : String(value);
  if (value !== 0 && Math.abs(value) < 0.01) return value.toExponential(2).replace(/\.?0*e/, "e");
  return String(Number(value.toPrecision(6)));
}

// What a swept field's value is as a number, for order and ranges; NaN where it is a word.
function amount(value) {
  if (finite(value)) return value;
  const found = /^\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*(%|k|M|B|T)?(?:\s*\w+)?\s*$/.exec(String(value));
  if (!found) return NaN;
  return Number(found[1]) * ({ "%": 0.01, k: 1e3, M: 1e6, B: 1e9, T: 1e12 }[found[2]] || 1);
}

// The order of two values of any kind: numbers by size, words by the alphabet, missing ones last.
function order(one, other) {
  const [a, b] = [amount(one), amount(other)];
  const missing = (value) => value === null || value === undefined;
  if (missing(one) || missing(other)) return missing(one) - missing(other);
  if (!Number.isNaN(a) && !Number.isNaN(b)) return a - b;
  return String(one).localeCompare(String(other), "en", { numeric: true });
}

function lasts(seconds) {
  if (!finite(seconds)) return "–";
  if (seconds < 90) return Math.round(seconds) + " s";
  if (seconds < 5400) return Math.round(seconds / 60) + " min";
  const hours = seconds / 3600;
  return hours < 48 ? number(hours, hours < 10 ? 1 : 0) + " h" : number(hours / 24, 1) + " days";
}

function ago(time) {
  const seconds = (Date.now() - new Date(time)) / 1000;
  if (!time || Number.isNaN(seconds)) return "never";
  return seconds < 5 ? "now" : lasts(seconds) + " ago";
}

const clock = (time) => (time ? new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }) : "–");

const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

function meanAndSpread(values) {
  const known = values.filter(finite);
  if (!known.length) return { mean: null, sd: null, n: 0 };
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const squares = known.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: known.length > 1 ? Math.sqrt(squares / (known.length - 1)) : null, n: known.length };
}

// All figures are Plotly's, in the page's own colours and without its tools.

// After Okabe & Ito's colours for every kind of sight, each with a tone for dark paper.
const TONES = [["#0b62a8", "#62b0f0"], ["#b94a00", "#f79a4e"], ["#00775c", "#3fc7a0"], ["#a83d7c", "#e58fc0"],
  ["#6b5bb5", "#ab9df0"], ["#8a6d00", "#e0bf3f"], ["#3b4654", "#c3ccd6"], ["#0d7f95", "#4fc9dd"]];
const VIRIDIS = [[0, "#440154"], [0.25, "#3b528b"], [0.5, "#21918c"], [0.75, "#5ec962"], [1, "#fde725"]];
const DASHES = ["solid", "dash", "dot", "dashdot"];

const figures = new Map(); // key -> element: a figure keeps its zoom when the page is drawn again
let waiting = []; // figures that are drawn once they stand in the page
let used = new Set();

const dark = () => {
  const asked = document.documentElement.dataset.theme;
  return asked ? asked === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const lineTone = (place) => TONES[place % TONES.length][dark() ? 1 : 0];
const lineDash = (place) => DASHES[Math.floor(place / TONES.length) % DASHES.length];

function axis(title, extra = {}) {
  return {
    title: { text: safe(title), font: { size: 12.5, color: tone("quiet") }, standoff: 10 }, gridcolor: tone("line"), zeroline: false,
    linecolor: tone("line"), tickcolor: tone("line"), tickfont: { size: 12, color: tone("quiet") }, automargin: true,
    ticklen: 4, exponentformat: "power", ...extra,
  };
}

function figure(key, label, height, traces, layout) {
  let place = figures.get(key);
  if (!place) {
    place = el("div", { class: "figure" });
    figures.set(key, place);
  }
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", label);
  place.style.height = height + "px";
  used.add(key);
  const whole = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 56, r: 14, t: 10, b: 48 },
    font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif", size: 12.5, color: tone("ink") },
    hoverlabel: { bgcolor: tone("card"), bordercolor: tone("edge"), font: { color: tone("ink"), size: 12.5 }, align: "left", namelength: 60 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: tone("quiet"), activecolor: tone("accent") }, showlegend: false, hovermode: "closest", uirevision: key, height, dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", ...layout,
  };
  waiting.push([place, traces, whole]);
  return place;
}

const TOOLS = { displaylogo: false, modeBarButtons: [["toImage"]], displayModeBar: true, responsive: false };

function drawFigures() {
  const now = waiting;
  waiting = [];
  for (const [place, traces, layout] of now) {
    if (!place.isConnected) continue;
    const name = (place.getAttribute("aria-label") || "figure").slice(0, 60);
    const width = Math.max(place.clientWidth, 120);
    Plotly.react(place, traces, { ...layout, width }, { ...TOOLS, toImageButtonOptions: { filename: name, scale: 2 } });
    place.drawnWidth = width;
  }
  for (const [key, place] of figures) {
    if (used.has(key)) continue;
    Plotly.purge(place);
    figures.delete(key);
  }
}

function fitFigures() {
  for (const place of figures.values()) {
    const width = place.clientWidth;
    if (!place.isConnected || width === place.drawnWidth || width < 1) continue;
    place.drawnWidth = width;
    Plotly.relayout(place, { width });
  }
}

// Text that Plotly shows may hold its few marks, such as <b>: text of a storage is shown as it is.
const safe = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function withAlpha(colour, alpha) {
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return `rgba(${parts.join(",")},${alpha})`;
}

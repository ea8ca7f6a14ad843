// Elements of the page. All text becomes a text node, so that text of a storage is never markup.

function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    } else if (name === "class") node.className = value;
    else if (name === "key") node.dataset.key = value; // by it focus and scrolling survive a new drawing
    else if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const section = (title, ...children) => el("section", { class: "card" }, title && el("h2", {}, title), ...children);
const quiet = (text) => el("p", { class: "quiet" }, text);
const button = (text, act, props = {}) => el("button", { type: "button", key: "button:" + text, ...props, on: { click: act } }, text);

// A link to another view. It is a real link: it can be copied, and opened in another tab.
function link(text, patch, props = {}) {
  return el("a", { href: "#" + fragment(patch), key: "link:" + text, ...props }, text);
}

function select(label, options, value, act, props = {}) {
  const list = options.map((option) => {
    const [name, text] = Array.isArray(option) ? option : [option, option];
    return el("option", { value: name, selected: name === value }, text);
  });
  return el("label", { class: "field" }, el("span", {}, label),
    el("select", { key: "select:" + label, ...props, on: { change: (e) => act(e.target.value) } }, list));
}

function check(label, checked, act, props = {}) {
  return el("label", { class: "check" },
    el("input", { type: "checkbox", checked, key: "check:" + label, ...props, on: { change: (e) => act(e.target.checked) } }),
    el("span", {}, label));
}

// A choice of a few: radio buttons that look like one control.
function choice(label, options, value, act) {
  return el("fieldset", { class: "choice" }, el("legend", { class: "unseen" }, label),
    options.map(([name, text]) => el("label", {},
      el("input", { type: "radio", name: label, value: name, checked: name === value, key: `choice:${label}:${name}`,
        on: { change: () => act(name) } }), el("span", {}, text))));
}

// The first of many rows, and a button for the others: a thousand rows take a browser seconds.
const MOST_ROWS = 200;
const allOf = new Set(); // lists of which all rows are shown
function firstRows(name, rows, least = 0) {
  const most = Math.max(MOST_ROWS, least);
  if (allOf.has(name) || rows.length <= most) return [rows, null];
  const more = button(`Show ${rows.length - most} more`, () => {
    allOf.add(name);
    show();
  }, { key: "more:" + name });
  return [rows.slice(0, most), el("p", {}, more)];
}

// A command, with a button that copies it.
function command(text) {
  return el("div", { class: "command" }, el("pre", { tabindex: "0", key: "pre:" + text.slice(0, 60) }, text),
    button("Copy", () => copy(text), { key: "copy:" + text.slice(0, 60), "aria-label": "Copy: " + text.slice(0, 80) }));
}

function copy(text) {
  const old = () => { // pages that were opened as a file may not use the clipboard's interface
    const area = el("textarea", { class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  const said = (done) => tell(done ? "Copied." : "The browser did not copy it. Select the text and copy it yourself.");
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => said(true), () => said(old()));
  else said(old());
}

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const anchor = el("a", { href: address, download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// Said aloud by screen readers, and shown for a moment.
function tell(text) {
  const place = document.getElementById("told");
  place.textContent = text;
  place.classList.remove("unseen");
  clearTimeout(tell.hides);
  tell.hides = setTimeout(() => place.classList.add("unseen"), 4000);
}

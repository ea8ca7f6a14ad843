// What was trained, on what, with which versions, and how to run it again.

VIEWS.facts = () => {
  const sweep = sweepNow();
  const cards = Object.entries(sweep.facts || {}).map(([title, value]) => section(title, factValue(value)));
  return [
    sweep.notes.length > 0 && section("Notes", el("ul", {}, sweep.notes.map((text) => el("li", {}, text)))),
    (sweep.merges_left || []).length > 0 && section("Merges that are left", el("ul", {}, sweep.merges_left.map((text) => el("li", {}, text)))),
    el("div", { class: "facts" }, cards),
    sweep.recipe && section("Recipe", command(sweep.recipe)),
    quiet(`Read from ${data.storage} at ${clock(data.read_at)} by raycl ${data.version}.`),
  ];
};

function factValue(value) {
  if (Array.isArray(value)) return el("ul", {}, value.map((one) => el("li", {}, factValue(one))));
  if (value && typeof value === "object") return el("dl", {}, Object.entries(value).flatMap(([term, inner]) => [el("dt", {}, term), el("dd", {}, factValue(inner))]));
  const text = String(value ?? "–");
  if (text.startsWith("$ ")) return command(text.slice(2));
  return text.includes("\n") ? command(text) : el("span", {}, text);
}

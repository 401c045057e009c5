// What starts the page: its controls are heard, and the first charts are drawn.

const on = (id, change) =>
  $(id).addEventListener("change", (event) => {
    change(event.target.value);
    draw();
  });
on("variable", show);
on("view", (value) => ((chosen.view = value), (chosen.logx = null)));
for (const role of ["x", "colour", "facet"]) on(role, (value) => choose(role, value));
on("level", (value) => (chosen.level = Number(value)));
on("axis", (value) => ((chosen.axis = value), (chosen.baseline = 0)));
on("baseline", (value) => (chosen.baseline = Number(value)));
for (const id of ["logx", "logy"]) on(id, () => (chosen[id] = $(id).checked));
$("controls").addEventListener("submit", (event) => event.preventDefault());

const system = matchMedia("(prefers-color-scheme: dark)");
const dress = () =>
  document.documentElement.classList.toggle("dark", $("theme").value ? $("theme").value === "dark" : system.matches);
on("theme", dress);
system.addEventListener("change", () => (dress(), draw()));

let known = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== known) ((known = innerWidth), draw());
});

const first = variables[chosen.variable].dims.filter((dim) => dim !== population.runs);
dress();
if (population.lost) chosen.view = "diverged";
else if (!first.length) chosen.view = "distribution";
settle();
const some = (dim) => dims[dim].labels.length > 1 && dims[dim].labels.length <= FIRST_COLOURS;
wanted.set("colour", first.find((dim) => dim !== chosen.x && some(dim) && population.axes.includes(dim)) ?? "");
show(chosen.variable);
draw();
requestAnimationFrame(() =>
  setTimeout(() => (document.documentElement.dataset.ready = Math.round(performance.now()))),
);

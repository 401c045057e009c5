// What is chosen, made consistent, and the controls that show it.

const MOST_FACETS = 12,
  MOST_COLOURS = 12,
  FIRST_COLOURS = 6, // of bands that can be told apart, before anything was chosen
  MOST_ROWS = 200,
  MOST_LINES = 100,
  MOST_CHOICES = 500,
  MOST_POINTS = 400,
  BINS = 40,
  AXIS = 32,
  FACET = 240;
const NAMES = {
  mean: "Mean",
  median: "Median",
  difference: "Mean paired difference",
  distribution: "Distribution",
  diverged: "Share that diverged",
};
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
const { dims, variables } = population;
const $ = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

// What was asked of x, colour and facet, the latest first: where two ask for one dimension, that one has it.
const wanted = new Map([
  ["x", ""],
  ["colour", ""],
  ["facet", ""],
]);
const chosen = {
  variable: (Object.values(variables).find(({ kind }) => kind === "f") ?? Object.values(variables)[0]).name,
  view: "mean",
  x: "",
  colour: "",
  facet: "",
  level: 1,
  axis: "",
  baseline: 0,
  at: {},
  logx: null,
  logy: false,
};
let scene = null; // what is drawn now

// ---- numbers and names
const format = (value) => {
  if (value == null || Number.isNaN(value)) return "none";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const text = value.toPrecision(6); // with an exponent from a million on
  return text.includes("e+") ? text.replace(/\.?0*e\+/, "e") : String(Number(text));
};
const title = ({ title: text, units }) => (units ? `${text} (${units})` : text);
const label = (dim, i) => dims[dim].labels[i];
const tell = (dim, i) => `${dims[dim].title} ${label(dim, i)}${dims[dim].units ? ` ${dims[dim].units}` : ""}`;
const range = (n) => Array.from({ length: n }, (_, i) => i);
const spread = (list, most) =>
  list.length <= most ? list : range(most).map((i) => list[Math.round((i * (list.length - 1)) / (most - 1))]);
const nearestOf = (list, to) => list.reduce((best, i) => (Math.abs(i - to) < Math.abs(best - to) ? i : best));
const current = () => (chosen.view === "diverged" ? population.flags : variables[chosen.variable]);

// The mean of a truth value is a share.
const isShare = () => ["mean", "difference"].includes(chosen.view) && current().kind === "b";
const subject = () => (isShare() ? `share with ${title(current())}` : title(current()));
const measure = () => (isShare() && chosen.view === "mean" ? "Share" : NAMES[chosen.view]);
const headline = () => {
  if (chosen.view === "diverged") return NAMES.diverged;
  return measure() === "Share" ? `Share with ${title(current())}` : `${NAMES[chosen.view]} of ${subject()}`;
};

// ---- what is chosen, made consistent
function settle() {
  const variable = current(),
    own = variable.dims,
    isRun = (dim) => dim === population.runs;
  const free = own.filter((dim) => !isRun(dim));
  const given = new Set();
  for (const [role, dim] of wanted) {
    chosen[role] = own.includes(dim) && !given.has(dim) ? dim : "";
    if (role !== "x" || chosen.view !== "distribution") given.add(chosen[role]);
  }
  if (chosen.view !== "distribution" && !chosen.x) {
    const left = free.filter((dim) => dim !== chosen.colour && dim !== chosen.facet),
      many = left.filter((dim) => dims[dim].labels.length > 1);
    const open = many.length ? many : left;
    const inner = open.find((dim) => !population.axes.includes(dim) && dims[dim].labels.length > 2);
    const numeric = open
      .filter((dim) => dims[dim].numbers)
      .sort((a, b) => dims[b].labels.length - dims[a].labels.length)[0];
    chosen.x = inner ?? numeric ?? open[0] ?? (chosen.facet || chosen.colour || own[0]);
    if (chosen.x === chosen.colour) chosen.colour = "";
    if (chosen.x === chosen.facet) chosen.facet = "";
  }
  for (const dim of own)
    chosen.at[dim] ??= isRun(dim) ? ALL : population.axes.includes(dim) ? 0 : dims[dim].labels.length - 1;
  const taken = [chosen.view === "distribution" ? "" : chosen.x, chosen.colour, chosen.facet];
  const rest = own.filter((dim) => !taken.includes(dim));
  const pooled = rest.filter((dim) => chosen.at[dim] === ALL);
  const fixed = rest.filter((dim) => chosen.at[dim] !== ALL);
  for (const dim of fixed) {
    const known = population.places(chosen.view, variable, pooled, dim);
    if (known.length && !known.includes(chosen.at[dim])) chosen.at[dim] = nearestOf(known, chosen.at[dim]);
  }
  const along = own.filter((dim) => !pooled.includes(dim));
  if (!along.includes(chosen.axis)) {
    const axes = along.filter((dim) => dim !== variable.name);
    ((chosen.axis = axes.includes(chosen.colour) ? chosen.colour : (axes[0] ?? "")), (chosen.baseline = 0));
  }
  if (chosen.axis) {
    const known = population.places(chosen.view, variable, pooled, chosen.axis);
    if (!known.includes(chosen.baseline)) chosen.baseline = known[0] ?? 0;
    // Held at the baseline itself, every difference would be 0.
    if (chosen.view === "difference" && fixed.includes(chosen.axis) && chosen.at[chosen.axis] === chosen.baseline)
      chosen.at[chosen.axis] = known.find((i) => i !== chosen.baseline) ?? chosen.baseline;
  }
  return { variable, own, rest, pooled, fixed, along };
}

// Of a variable with categories, they are the colours at first.
function show(name) {
  chosen.variable = name;
  if (variables[name].is) choose("colour", name);
}

function choose(role, dim) {
  const others = [...wanted].filter(([other]) => other !== role);
  wanted.clear();
  for (const [key, value] of [[role, dim], ...others]) wanted.set(key, value);
  chosen.logx = null;
}

// ---- the controls
function fill(select, options, value) {
  const now = JSON.stringify(options);
  if (select.dataset.options !== now) {
    select.dataset.options = now;
    select.replaceChildren(...options.map(([key, text]) => make("option", { value: key }, text)));
  }
  select.value = value;
}

function showControls({ variable, own, rest, pooled, along }) {
  const roles = own.map((dim) => [dim, dims[dim].title]),
    view = chosen.view;
  fill(
    $("variable"),
    Object.values(variables).map((v) => [v.name, v.title]),
    chosen.variable,
  );
  $("view").value = view;
  fill($("x"), roles, chosen.x);
  fill($("colour"), [["", "none"], ...roles], chosen.colour);
  fill($("facet"), [["", "none"], ...roles], chosen.facet);
  fill(
    $("level"),
    population.levels.map(({ level }, i) => [i, `${100 * level} %`]),
    chosen.level,
  );
  fill(
    $("axis"),
    along.map((dim) => [dim, dims[dim].title]),
    chosen.axis,
  );
  const known = chosen.axis ? choices(population.places(view, variable, pooled, chosen.axis), chosen.baseline) : [];
  fill(
    $("baseline"),
    known.map((i) => [i, label(chosen.axis, i)]),
    chosen.baseline,
  );
  const hide = (id, hidden) => $(id).parentElement.classList.toggle("hidden", hidden);
  hide("variable", view === "diverged");
  hide("x", view === "distribution");
  hide("level", view === "median" || view === "distribution");
  for (const id of ["axis", "baseline"]) hide(id, view !== "difference");
  $("rest").parentElement.classList.toggle("hidden", !rest.length);
  const rows = rest.map((dim) =>
    restControl(dim, choices(population.places(view, variable, pooled, dim), chosen.at[dim])),
  );
  for (const [i, row] of rows.entries())
    if ($("rest").children[i] !== row) $("rest").insertBefore(row, $("rest").children[i] ?? null);
  while ($("rest").children.length > rows.length) $("rest").lastChild.remove();
}

// What a menu lists of very many values: some, evenly spread, and the one that is chosen.
const choices = (known, now) =>
  known.length <= MOST_CHOICES
    ? known
    : [...new Set([...spread(known, MOST_CHOICES), ...(now === ALL ? [] : [now])])].sort((a, b) => a - b);

const restControls = {};
function restControl(dim, known) {
  const row = (restControls[dim] ??= makeRestControl(dim)),
    [select, slider] = row.querySelectorAll("select, input");
  const all = population.axes.includes(dim) ? [[ALL, `all ${dims[dim].labels.length}, as runs`]] : [];
  fill(select, [...all, ...known.map((i) => [i, label(dim, i)])], chosen.at[dim]);
  slider.hidden = known.length < 3 || !dims[dim].numbers || chosen.at[dim] === ALL;
  slider.max = known.length - 1;
  slider.value = Math.max(0, known.indexOf(chosen.at[dim]));
  slider.setAttribute("aria-valuetext", label(dim, chosen.at[dim]) ?? "");
  slider.oninput = () => ((chosen.at[dim] = known[slider.value]), draw());
  return row;
}

function makeRestControl(dim) {
  const select = make("select", { id: `at-${dim}` }),
    slider = make("input", { type: "range", min: 0, step: 1, "aria-label": `${dims[dim].title}, slider` });
  select.onchange = () => ((chosen.at[dim] = Number(select.value)), draw());
  return make("div", {}, make("label", {}, title(dims[dim]), select), slider);
}

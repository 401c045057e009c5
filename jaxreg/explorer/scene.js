// What there is to draw: the cells of all facets and colours, in words and with their scales.

// ---- colours
const isDark = () => document.documentElement.classList.contains("dark");
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function paint(c, count, ordered) {
  const t = count > 1 ? c / (count - 1) : 0,
    hues = [245, 40, 160, 340, 90, 205, 300, 20, 130, 270, 65, 185];
  const [lightness, hue] = ordered
    ? [isDark() ? 0.62 + 0.26 * t : 0.36 + 0.26 * t, 300 - 200 * t]
    : [isDark() ? 0.76 : 0.54, hues[c % hues.length]];
  return {
    line: `oklch(${lightness} 0.14 ${hue})`,
    band: `oklch(${lightness} 0.14 ${hue} / 0.2)`,
    dash: ordered ? [] : DASHES[c % DASHES.length],
  };
}

// ---- the scene: all cells of what is chosen
function look(settled) {
  const { variable, pooled, fixed } = settled,
    { view } = chosen;
  const query = {
    view,
    variable,
    pooled,
    axis: chosen.axis,
    baseline: chosen.baseline,
    level: population.levels[chosen.level],
  };
  if (!variable.values && !population.usesMoments(view, variable, pooled))
    return {
      empty: `The page holds only means of ${variable.title} over ${dims[population.runs].title}: single runs did not fit. Write it with more megabytes or fewer variables for this view.`,
    };
  const known = (dim) => (dim ? population.places(view, variable, pooled, dim) : [0]);
  const facets = spread(known(chosen.facet), MOST_FACETS),
    colours = spread(known(chosen.colour), MOST_COLOURS);
  const x = view === "distribution" ? "" : chosen.x,
    xs = known(x);
  const numbers = x && dims[x].numbers;
  if (numbers) xs.sort((a, b) => numbers[a] - numbers[b]);
  const where = (f, c, i) => {
    const found = Object.fromEntries(fixed.map((dim) => [dim, chosen.at[dim]]));
    if (chosen.facet) found[chosen.facet] = facets[f];
    if (chosen.colour) found[chosen.colour] = colours[c];
    if (x) found[x] = xs[i];
    return found;
  };
  const asked = population.ask(query);
  const cells = facets.map((_, f) => colours.map((_, c) => xs.map((_, i) => asked.summary(where(f, c, i)))));
  const ordered = !!(chosen.colour && dims[chosen.colour].numbers && colours.length > 2);
  const paints = colours.map((_, c) => paint(c, colours.length, ordered));
  return {
    ...settled,
    asked,
    facets,
    colours,
    x,
    xs,
    numbers,
    where,
    cells,
    paints,
    all: { facets: known(chosen.facet).length, colours: known(chosen.colour).length },
  };
}

function describe(scene) {
  const { variable, pooled, fixed, cells, facets, colours, all } = scene,
    { view } = chosen;
  const level = `${100 * population.levels[chosen.level].level} %`,
    flat = cells.flat(2);
  const ns = flat.map(({ n }) => n),
    least = Math.min(...ns),
    most = Math.max(...ns);
  const band = {
    mean: variable.kind === "b" ? `${level} Wilson interval` : `${level} Student t interval`,
    median: "5 % to 95 % quantile of the runs",
    difference: `${level} Student t interval`,
    distribution: `${BINS} bins over all values shown; the table has median, 5 % and 95 % quantile`,
    diverged: `${level} Wilson interval`,
  }[view];
  const told = { [chosen.facet]: facets, [chosen.colour]: colours, [scene.x]: scene.xs }[variable.is && variable.name];
  const left = flat.reduce((sum, cell) => sum + cell.left, 0) / (told?.length ?? 1); // of each category the same runs
  const over = pooled.map((dim) => dims[dim].title).join(" × ") || "single runs";
  const what = [
    `${headline()} over ${over}${pooled.length > 1 ? ", taken as independent draws" : ""}`,
    view === "difference" && chosen.axis ? `from ${tell(chosen.axis, chosen.baseline)}` : "",
    fixed.length ? `at ${fixed.map((dim) => tell(dim, chosen.at[dim])).join(", ")}` : "",
  ];
  const none = flat.every(({ estimate }) => !Number.isFinite(estimate)) ? "No run has a number to show here" : "";
  const alone = !none && /interval/.test(band) && most < 2 ? "A single run has no interval" : "";
  const parts = [
    what.filter(Boolean).join(", "),
    none || alone,
    `${band}; n = ${least === most ? most : `${least} to ${most}`}${view === "diverged" ? "" : `, ${left} left out in all (diverged or not finite)`}`,
    facets.length < all.facets ? `${facets.length} of ${all.facets} facets shown` : "",
    colours.length < all.colours ? `${colours.length} of ${all.colours} colours shown` : "",
    thinned(scene),
  ];
  return `${parts.filter(Boolean).join(". ")}.`;
}

function thinned({ variable, pooled }) {
  if (!variable.thin) return "";
  const kept = population.places(chosen.view, variable, pooled, variable.thin).length,
    all = dims[variable.thin].labels.length;
  const whole = kept === all && variable.values && variable.moments;
  if (whole)
    return `Single runs are held at ${variable.values.places.length} of the ${all} entries along ${dims[variable.thin].title}`;
  return kept < all ? `The page holds ${kept} of the ${all} entries along ${dims[variable.thin].title}` : "";
}

// ---- scales
function limits(values, log) {
  let low = Infinity,
    high = -Infinity;
  for (const value of values)
    if (Number.isFinite(value) && !(log && value <= 0))
      ((low = Math.min(low, value)), (high = Math.max(high, value)));
  if (low > high) return log ? [0.1, 1] : [0, 1];
  if (log) return low === high ? [low / 2, high * 2] : [low / (high / low) ** 0.04, high * (high / low) ** 0.04];
  const pad = low === high ? Math.abs(low) * 0.1 || 1 : 0.05 * (high - low);
  return [low - pad, high + pad];
}

const isGeometric = (numbers) =>
  numbers.length > 2 && numbers[0] > 0 && numbers.at(-1) - numbers.at(-2) > 8 * (numbers[1] - numbers[0]);

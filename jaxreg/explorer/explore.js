"use strict";
// The controls, the charts (by uPlot), the table and what is read out, for what `population` tells.

(() => {
  const MOST_FACETS = 12,
    MOST_COLOURS = 12,
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
  const format = (value) =>
    value == null || Number.isNaN(value)
      ? "none"
      : Number.isFinite(value)
        ? String(Number(value.toPrecision(6)))
        : value > 0
          ? "∞"
          : "−∞";
  const title = ({ title: text, units }) => (units ? `${text} (${units})` : text);
  const label = (dim, i) => dims[dim].labels[i];
  const tell = (dim, i) => `${dims[dim].title} ${label(dim, i)}${dims[dim].units ? ` ${dims[dim].units}` : ""}`;
  const range = (n) => Array.from({ length: n }, (_, i) => i);
  const spread = (list, most) =>
    list.length <= most ? list : range(most).map((i) => list[Math.round((i * (list.length - 1)) / (most - 1))]);
  const nearestOf = (list, to) => list.reduce((best, i) => (Math.abs(i - to) < Math.abs(best - to) ? i : best));
  const current = () => (chosen.view === "diverged" ? population.flags : variables[chosen.variable]);

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
    if (!along.includes(chosen.axis))
      ((chosen.axis = along.includes(chosen.colour) ? chosen.colour : (along[0] ?? "")), (chosen.baseline = 0));
    if (chosen.axis) {
      const known = population.places(chosen.view, variable, pooled, chosen.axis);
      if (!known.includes(chosen.baseline)) chosen.baseline = known[0] ?? 0;
    }
    return { variable, own, rest, pooled, fixed, along };
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
    const left = flat.reduce((sum, cell) => sum + cell.left, 0);
    const over = pooled.map((dim) => dims[dim].title).join(" × ") || "single runs";
    const what = [
      `${NAMES[view]}${view === "diverged" ? "" : ` of ${title(variable)}`} over ${over}${pooled.length > 1 ? ", taken as independent draws" : ""}`,
      view === "difference" && chosen.axis ? `from ${tell(chosen.axis, chosen.baseline)}` : "",
      fixed.length ? `at ${fixed.map((dim) => tell(dim, chosen.at[dim])).join(", ")}` : "",
    ];
    const parts = [
      what.filter(Boolean).join(", "),
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

  // ---- one chart: data and series for uPlot
  function layOut(f) {
    const { colours, xs, numbers, cells, paints } = scene,
      C = colours.length,
      log = chosen.logy;
    const clean = (value) => (Number.isFinite(value) && !(log && value <= 0) ? value : null);
    const place = (i, c) => (numbers ? i : i * C + c); // categories stand side by side
    const width = numbers ? xs.length : xs.length * C;
    const positions = numbers
      ? xs.map((i) => numbers[i])
      : range(width).map((k) => Math.floor(k / C) + ((k % C) - (C - 1) / 2) * (0.7 / C));
    const column = (c, part) => {
      const found = new Array(width).fill(null);
      cells[f][c].forEach((cell, i) => (found[place(i, c)] = clean(cell[part])));
      return found;
    };
    const series = [{}],
      data = [positions],
      bands = [],
      few = width === 1 || width * C * cells.length <= MOST_POINTS;
    for (let c = 0; c < C; c++) {
      const { line, band, dash } = paints[c];
      data.push(column(c, "low"), column(c, "high"), column(c, "estimate"));
      const edge = { points: { show: false }, width: 0 };
      series.push(numbers ? edge : { ...edge, stroke: line, width: 2, paths: bars }, edge, {
        stroke: line,
        width: 2,
        dash: numbers ? dash : [],
        points: { show: few || !numbers, size: numbers ? 5 : 8, fill: line, stroke: line },
        ...(numbers ? {} : { paths: () => null }),
      });
      if (numbers) bands.push({ series: [series.length - 2, series.length - 3], fill: band });
    }
    return { data, series, bands, place, few };
  }

  // Intervals of categories, from one series to the next.
  function bars(u, index) {
    const path = new Path2D();
    u.data[0].forEach((x, k) => {
      if (u.data[index][k] == null || u.data[index + 1][k] == null) return;
      const across = u.valToPos(x, "x", true);
      path.moveTo(across, u.valToPos(u.data[index][k], "y", true));
      path.lineTo(across, u.valToPos(u.data[index + 1][k], "y", true));
    });
    return { stroke: path, fill: null, clip: null, band: null, gaps: null, flags: 0 };
  }

  // All runs of the group that is pointed at, thin, behind the one that is nearest; dots where few entries are held.
  function lines(u, panel) {
    const path = new Path2D(),
      { point } = panel;
    if (!point) return null;
    const runs = panel.runs[point.c],
      count = runs.find(Boolean)?.length ?? 0,
      isLine = runs.length > 1 && runs.every(Boolean);
    for (const p of spread(range(count), MOST_LINES)) {
      let drawn = false;
      runs.forEach((values, i) => {
        if (!values) return;
        const value = values[p];
        if (!Number.isFinite(value) || (chosen.logy && value <= 0)) return void (drawn = false);
        const spot = [u.valToPos(u.data[0][panel.place(i, point.c)], "x", true), u.valToPos(value, "y", true)];
        if (!isLine) path.rect(spot[0] - 1, spot[1] - 1, 2, 2);
        else if (drawn) path.lineTo(...spot);
        else path.moveTo(...spot);
        drawn = true;
      });
    }
    const { left, top, width, height } = u.bbox,
      clip = new Path2D();
    clip.rect(left, top, width, height);
    return { stroke: path, fill: null, clip, band: null, gaps: null, flags: 0 };
  }

  function layOutBins(f) {
    const { colours, paints, asked, where } = scene,
      { edges, log } = scene.bins;
    const counts = colours.map((_, c) => {
      const found = new Array(edges.length).fill(0),
        [start, end] = [edges[0], edges.at(-1)];
      let n = 0;
      for (const value of asked.runs(where(f, c, 0))) {
        if (Number.isNaN(value) || (log && value <= 0)) continue;
        const part = log ? Math.log(value / start) / Math.log(end / start) : (value - start) / (end - start);
        found[Math.min(Math.floor(part * (edges.length - 1)), edges.length - 2)]++;
        n++;
      }
      found[edges.length - 1] = found[edges.length - 2]; // the last step is as wide as the others
      return found.map((count) => (n ? count / n : null));
    });
    const stepped = uPlot.paths.stepped({ align: 1 });
    const series = [
      {},
      ...paints.map(({ line, band, dash }) => ({
        stroke: line,
        fill: colours.length < 4 ? band : undefined,
        dash,
        width: 2,
        paths: stepped,
        points: { show: false },
      })),
    ];
    return { data: [edges, ...counts], series, bands: [] };
  }

  function findBins() {
    const { facets, colours, asked, where } = scene,
      log = chosen.logx;
    let low = Infinity,
      high = -Infinity;
    facets.forEach((_, f) =>
      colours.forEach((_, c) => {
        for (const value of asked.runs(where(f, c, 0)))
          if (Number.isFinite(value) && !(log && value <= 0))
            ((low = Math.min(low, value)), (high = Math.max(high, value)));
      }),
    );
    if (!(low < high))
      [low, high] = low === high ? (log ? [low / 2, low * 2] : [low - 0.5, low + 0.5]) : [log ? 1 : 0, log ? 2 : 1];
    const at = (i) => (log ? low * (high / low) ** (i / BINS) : low + ((high - low) * i) / BINS);
    return { edges: range(BINS + 1).map(at), log };
  }

  // ---- drawing
  function draw() {
    const settled = settle();
    showControls(settled);
    scene?.panels?.forEach(({ plot }) => plot.destroy());
    scene = look(settled);
    $("readout").textContent = "";
    $("charts").replaceChildren();
    $("charts").classList.toggle("one", scene.facets?.length === 1);
    if (scene.empty) {
      $("caption").textContent = scene.empty;
      for (const id of ["legend", "numbers"]) $(id).replaceChildren();
      return;
    }
    const { numbers, xs } = scene,
      isBins = chosen.view === "distribution",
      chosenNumbers = numbers && xs.map((i) => numbers[i]);
    chosen.logx ??= !!chosenNumbers && isGeometric(chosenNumbers);
    const canLog = isBins || (chosenNumbers && chosenNumbers[0] > 0);
    $("logx").disabled = !canLog;
    $("logx").checked = scene.logx = !!(chosen.logx && canLog);
    $("logy").checked = chosen.logy;
    if (isBins) scene.bins = findBins();
    scene.caption = describe(scene);
    $("caption").textContent = scene.caption;
    const laid = scene.facets.map((_, f) => (isBins ? layOutBins(f) : layOut(f)));
    scene.y = limits(
      laid.flatMap(({ data }) => data.slice(1).flat()).filter((value) => value !== null),
      chosen.logy,
    );
    if (isBins && !chosen.logy) scene.y[0] = 0;
    scene.across = isBins
      ? limits(scene.bins.edges, scene.logx)
      : numbers
        ? limits(chosenNumbers, scene.logx)
        : [-0.6, xs.length - 0.4];
    showLegend();
    const holders = scene.facets.map(makeHolder),
      width = Math.max(200, holders[0].clientWidth); // laid out once
    for (const holder of holders) holder.style.minHeight = `${FACET}px`;
    const seen = holders.map((holder, f) => f === 0 || holder.getBoundingClientRect().top < innerHeight);
    const later = range(laid.length).filter((f) => !seen[f]);
    scene.panels = [];
    const show = (f) => scene.panels.push(drawPanel(laid[f], f, holders[f], width));
    seen.forEach((is, f) => is && show(f));
    showTable();
    const own = scene;
    const showNext = () => {
      if (scene !== own || !later.length) return;
      show(later.shift());
      setTimeout(showNext);
    };
    setTimeout(showNext); // what is below the window comes after what is seen
  }

  function makeHolder(facet) {
    const name = chosen.facet ? tell(chosen.facet, facet) : "",
      told = `${name ? `${name}. ` : ""}${scene.caption}`;
    const holder = make("div", {
      tabindex: 0,
      role: "group",
      "aria-roledescription": "chart",
      "aria-label": `${told} The numbers are in the table below; arrow keys walk them.`,
    });
    $("charts").append(make("figure", {}, ...(name ? [make("figcaption", {}, name)] : []), holder));
    return holder;
  }

  function drawPanel({ data, series, bands, place }, f, holder, width) {
    const panel = { f, place, point: null, runs: {} };
    const [across, up] = axes(width),
      plain = scene.facets.length > 1 ? FACET : Math.max(260, Math.min(440, Math.round(0.55 * width)));
    const marks = {
      stroke: css("--text"),
      width: 2,
      dash: [4, 3],
      points: { show: true, size: 7, fill: css("--text"), stroke: css("--text") },
      spanGaps: !scene.numbers,
    };
    const extra = [
      { stroke: css("--edge"), width: 0.5, points: { show: false }, paths: (u) => lines(u, panel) },
      marks,
    ];
    panel.first = series.length;
    const blank = () => new Array(data[0].length).fill(null);
    panel.base = data;
    panel.plot = new uPlot(
      {
        width,
        height: plain + across.size - AXIS,
        bands,
        series: [...series, ...extra],
        legend: { show: false },
        axes: [across, up],
        padding: [8, 12, 0, 0],
        scales: {
          x: { time: false, distr: scene.logx ? 3 : 1, range: scene.across },
          y: { distr: chosen.logy ? 3 : 1, range: scene.y },
        },
        cursor: { drag: { x: false, y: false, setScale: false }, y: false, points: { show: false } },
        hooks: { setCursor: [(u) => hover(panel, u)] },
      },
      [...data, blank(), blank()],
      holder,
    );
    holder.addEventListener("keydown", (event) => step(panel, event));
    holder.addEventListener("focus", () => panel.point || point(panel, 0, 0, 0));
    return panel;
  }

  function axes(width) {
    const common = {
      stroke: css("--text"),
      grid: { stroke: css("--line"), width: 1 },
      ticks: { stroke: css("--line"), width: 1 },
      font: "12px system-ui",
      labelFont: "13px system-ui",
    };
    const isRound = (value) => Number(value.toExponential(3).split("e")[0]) % 1 === 0; // an end of a logarithmic scale is not
    const write = (log) => (u, splits) =>
      splits.map((value) => (value == null || (log && !isRound(value)) ? "" : format(value)));
    const isBins = chosen.view === "distribution",
      { variable, x, xs, numbers } = scene;
    const across = {
      ...common,
      label: isBins ? title(variable) : title(dims[x]),
      labelSize: 20,
      size: AXIS,
      values: write(scene.logx),
    };
    if (!isBins && !numbers) {
      const names = xs.map((i) => label(x, i)),
        longest = Math.max(...names.map((text) => text.length)) * 6.5;
      const turned = longest * xs.length > width - 80;
      Object.assign(across, {
        splits: () => range(xs.length),
        values: () => names.map((text) => (text.length > 18 ? `${text.slice(0, 17)}…` : text)),
        grid: { show: false },
        filter: (u, splits) => splits.map((i) => (i % Math.ceil((xs.length * 22) / width) ? null : i)),
        ...(turned ? { rotate: 40, size: Math.min(longest * 0.64, 90) + 18 } : {}),
      });
    }
    const up = {
      mean: title(variable),
      median: title(variable),
      difference: `difference of ${title(variable)}`,
      distribution: "share of the runs",
      diverged: "share of the runs",
    }[chosen.view];
    return [across, { ...common, label: up, labelSize: 20, size: 62, values: write(chosen.logy) }];
  }

  function showLegend() {
    if (!chosen.colour) return $("legend").replaceChildren();
    const swatch = ({ line, dash }) =>
      `<svg width="26" height="10" aria-hidden="true"><line x1="0" x2="26" y1="5" y2="5" stroke="${line}" stroke-width="3" stroke-dasharray="${dash.join(" ")}"/></svg>`;
    $("legend").replaceChildren(
      ...scene.colours.map((i, c) => {
        const item = make("li", {}, tell(chosen.colour, i));
        item.insertAdjacentHTML("afterbegin", swatch(scene.paints[c]));
        return item;
      }),
    );
  }

  function showTable() {
    const { facets, colours, x, xs, cells } = scene,
      roles = [chosen.facet, chosen.colour, x];
    const heads = [
      ...roles.filter(Boolean).map((dim) => title(dims[dim])),
      ...(chosen.view === "distribution"
        ? ["median", "5 %", "95 %"]
        : [
            chosen.view === "difference" ? "difference" : chosen.view === "diverged" ? "share" : chosen.view,
            "low",
            "high",
          ]),
      "n",
      "left out",
    ];
    const rows = [];
    facets.forEach((facet, f) =>
      colours.forEach((colour, c) =>
        xs.forEach((at, i) => {
          if (rows.length < MOST_ROWS)
            rows.push([
              ...[facet, colour, at].map((k, r) => roles[r] && label(roles[r], k)).filter((text) => text !== ""),
              ...["estimate", "low", "high"].map((part) => format(cells[f][c][i][part])),
              cells[f][c][i].n,
              cells[f][c][i].left,
            ]);
        }),
      ),
    );
    const total = facets.length * colours.length * xs.length;
    const html = (cell) => String(cell).replace(/[&<]/g, (c) => ({ "&": "&amp;", "<": "&lt;" })[c]);
    $("numbers").innerHTML =
      `<caption class="quiet">${rows.length < total ? `The first ${rows.length} of ${total} rows.` : ""}</caption><thead><tr>${heads.map((head) => `<th scope="col">${html(head)}</th>`).join("")}</tr></thead><tbody>${rows.map((row) => `<tr>${row.map((cell) => `<td>${html(cell)}</td>`).join("")}</tr>`).join("")}</tbody>`;
  }

  // ---- pointing, by mouse or keys
  function hover(panel, u) {
    const { left, top, idx } = u.cursor;
    if (panel.pointing || left == null || left < 0 || idx == null) return;
    const C = scene.colours.length;
    if (chosen.view === "distribution")
      return void point(
        panel,
        nearest(u, idx, top, (c) => 1 + c),
        idx,
        null,
      );
    const i = scene.numbers ? idx : Math.floor(idx / C);
    const c = scene.numbers ? nearest(u, idx, top, (k) => 3 * k + 3) : idx % C;
    point(panel, c, i, u.posToVal(top, "y"));
  }

  function nearest(u, idx, top, row) {
    const away = (c) => {
      const value = u.data[row(c)][idx];
      return value == null ? Infinity : Math.abs(u.valToPos(value, "y") - top);
    };
    return scene.colours.reduce((best, _, c) => (away(c) < away(best) ? c : best), 0);
  }

  // Tells of colour c at place i; of the runs there, the one nearest to the height `near`, or the one numbered `run`.
  function point(panel, c, i, near, run = null) {
    const { f, plot, base, first } = panel,
      { asked, xs, x } = scene;
    const head = [
      chosen.facet && tell(chosen.facet, scene.facets[f]),
      chosen.colour && tell(chosen.colour, scene.colours[c]),
    ];
    if (chosen.view === "distribution") {
      const { edges } = scene.bins,
        k = Math.min(i, edges.length - 2);
      panel.point = null;
      panel.last = { c, i: k };
      $("readout").textContent = [
        ...head,
        `from ${format(edges[k])} to ${format(edges[k + 1])}: share ${format(base[1 + c][k])} of ${scene.cells[f][c][0].n} runs`,
      ]
        .filter(Boolean)
        .join(" · ");
      return;
    }
    const cell = scene.cells[f][c][i];
    head.push(
      tell(x, xs[i]),
      `${NAMES[chosen.view].toLowerCase()} ${format(cell.estimate)} [${format(cell.low)}, ${format(cell.high)}], n ${cell.n}, ${cell.left} left out`,
    );
    const runs = (panel.runs[c] ??= xs.map((_, k) => asked.runs(scene.where(f, c, k))));
    const held = range(xs.length).filter((k) => runs[k]),
      at = held.length ? nearestOf(held, i) : null;
    panel.point = { c, i, run: 0 };
    if (at !== null) {
      const here = runs[at];
      if (run === null) {
        run = 0;
        const away = (p) => (Number.isNaN(here[p]) ? Infinity : Math.abs(here[p] - near));
        for (let p = 1; p < here.length; p++) if (away(p) < away(run)) run = p;
      }
      run = Math.max(0, Math.min(here.length - 1, run));
      panel.point = { c, i, run };
      const row = new Array(base[0].length).fill(null);
      runs.forEach((values, k) => {
        const value = values?.[run];
        if (Number.isFinite(value) && !(chosen.logy && value <= 0)) row[panel.place(k, c)] = value;
      });
      head.push(
        `${scene.pooled.length ? nameRun(run) : "this run"}: ${format(here[run])}${at === i ? "" : ` at ${tell(x, xs[at])}`}`,
      );
      plot.setData([...base, plot.data[first], row], false);
      plot.redraw();
    }
    $("readout").textContent = head.filter(Boolean).join(" · ");
  }

  function nameRun(run) {
    const parts = [];
    for (const dim of [...scene.pooled].reverse()) {
      const size = dims[dim].labels.length;
      parts.unshift(tell(dim, run % size));
      run = Math.floor(run / size);
    }
    return parts.join(", ");
  }

  function step(panel, event) {
    const isBins = chosen.view === "distribution",
      now = (isBins ? panel.last : panel.point) ?? { c: 0, i: 0, run: 0 };
    const [dc, di, dr] =
      {
        ArrowLeft: [0, -1, 0],
        ArrowRight: [0, 1, 0],
        ArrowUp: [-1, 0, 0],
        ArrowDown: [1, 0, 0],
        PageUp: [0, 0, -1],
        PageDown: [0, 0, 1],
      }[event.key] ?? [];
    if (dc === undefined) return;
    event.preventDefault();
    const inside = (k, size) => Math.max(0, Math.min(size - 1, k)),
      { plot } = panel;
    const c = inside(now.c + dc, scene.colours.length),
      i = inside(now.i + di, isBins ? BINS : scene.xs.length);
    point(panel, c, i, null, now.run + dr);
    panel.pointing = true; // the cursor's line goes there too
    plot.setCursor({ left: plot.valToPos(plot.data[0][isBins ? i : panel.place(i, c)], "x"), top: 0 });
    panel.pointing = false;
  }

  // ---- start
  const on = (id, change) =>
    $(id).addEventListener("change", (event) => {
      change(event.target.value);
      draw();
    });
  on("variable", (value) => (chosen.variable = value));
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
  if (!first.length) chosen.view = "distribution";
  settle();
  const some = (dim) => dims[dim].labels.length > 1 && dims[dim].labels.length <= MOST_COLOURS;
  wanted.set("colour", first.find((dim) => dim !== chosen.x && some(dim) && population.axes.includes(dim)) ?? "");
  draw();
  requestAnimationFrame(() =>
    setTimeout(() => (document.documentElement.dataset.ready = Math.round(performance.now()))),
  );
})();

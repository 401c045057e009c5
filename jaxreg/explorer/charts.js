// The charts, by uPlot, their legend and the table of their numbers.

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
    mean: subject(),
    median: title(variable),
    difference: `difference of ${subject()}`,
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
          chosen.view === "difference" ? "difference" : chosen.view === "diverged" ? "share" : measure().toLowerCase(),
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

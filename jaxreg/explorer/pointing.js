// What is read out of a chart, by mouse or keys.

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
    `${measure().toLowerCase()} ${format(cell.estimate)} [${format(cell.low)}, ${format(cell.high)}], n ${cell.n}, ${cell.left} left out`,
  );
  const shown = !isShare(); // single truth values, 0 or 1, are no picture of a share
  const runs = (panel.runs[c] ??= xs.map((_, k) => (shown ? asked.runs(scene.where(f, c, k)) : null)));
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

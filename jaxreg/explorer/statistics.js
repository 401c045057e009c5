"use strict";
// What the page knows of the population, and what jaxreg.stats says of it, over whichever runs are chosen.

const ALL = -1; // in place of an index: every run along that axis

const population = ((data) => {
  const ABSENT = 0,
    DIVERGED = 2; // of the state of a run; 1 is fine
  const TYPES = {
    uint8: Uint8Array,
    int8: Int8Array,
    uint16: Uint16Array,
    int16: Int16Array,
    uint32: Uint32Array,
    int32: Int32Array,
    float32: Float32Array,
    float64: Float64Array,
  };

  function decode(text, type) {
    const bytes = Uint8Array.fromBase64
      ? Uint8Array.fromBase64(text)
      : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return new TYPES[type](bytes.buffer);
  }

  // An array with the stride of each dimension; along a thinned one, `lookup` has the row of an index.
  function read(packed, thin, places = []) {
    const strides = {};
    packed.dims.reduceRight((stride, dim, i) => ((strides[dim] = stride), stride * packed.shape[i]), 1);
    const lookup = thin ? { [thin]: Object.fromEntries(places.map((place, row) => [place, row])) } : {};
    return { dims: packed.dims, strides, lookup, values: decode(packed.bytes, packed.type) };
  }

  for (const dim of Object.values(data.dims))
    // consecutive integers
    if ("count" in dim) {
      dim.numbers = Array.from({ length: dim.count }, (_, i) => dim.from + i);
      dim.labels = dim.numbers.map(String);
    }
  const state = read(data.state);
  const masks = Object.values(data.masks).map((mask) => read(mask));
  const variables = {};
  for (const [name, packed] of Object.entries(data.variables)) {
    const variable = { ...packed, name, dims: packed.values?.dims ?? [...packed.moments.mean.dims, data.runs] };
    if (packed.values)
      variable.values = { ...read(packed.values, packed.thin, packed.values.places), places: packed.values.places };
    if (packed.moments) {
      const { places, ...parts } = packed.moments;
      variable.moments = { places };
      for (const part in parts) variable.moments[part] = read(parts[part], packed.thin, places);
    }
    if (!variable.categories?.named) variables[name] = variable;
    if (variable.categories) variables[`${name}=`] = byCategory(variable, `${name}=`);
  }

  // The share of each category: a truth value of each run, along one more dimension. Where to diverge is a category,
  // runs that did are no runs left out.
  function byCategory(variable, name) {
    const { values, names } = variable.categories;
    data.dims[name] = { title: variable.title, units: variable.units, labels: names, numbers: null };
    return {
      ...variable,
      name,
      dims: [...variable.dims, name],
      title: `each ${variable.title}`,
      units: "",
      kind: "b",
      moments: null,
      is: values,
      lost: names.includes("diverged"),
    };
  }

  const levels = data.levels.map(({ level, z, t }) => ({ level, z, t: decode(t, "float64") }));

  // Where a cell begins in an array, and how far from there each of its runs lies.
  function base(array, where) {
    let offset = 0;
    for (const dim of array.dims)
      if (dim in where) offset += array.strides[dim] * (array.lookup[dim]?.[where[dim]] ?? where[dim]);
    return offset;
  }

  function offsets(array, pooled) {
    let found = [0];
    for (const dim of pooled)
      found = found.flatMap((offset) => data.dims[dim].labels.map((_, i) => offset + i * (array.strides[dim] ?? 0)));
    return Int32Array.from(found);
  }

  // Reads the runs of a cell: `values`, NaN where a run is left out, and `exist`, 0 where there is none.
  function reader(variable, pooled) {
    const inside = (array) => array.dims.every((dim) => variable.dims.includes(dim));
    const { values, is: wanted, lost } = variable;
    const flags = inside(state) ? [state, offsets(state, pooled)] : null;
    const others = masks.filter(inside).map((mask) => [mask, offsets(mask, pooled)]);
    const steps = offsets(values, pooled);
    return (where) => {
      const start = base(values, where),
        first = flags && base(state, where);
      const found = new Float64Array(steps.length),
        exist = new Uint8Array(steps.length).fill(1);
      for (let run = 0; run < steps.length; run++) {
        const is = flags ? state.values[first + flags[1][run]] : 1;
        const value = values.values[start + steps[run]];
        exist[run] = is === ABSENT ? 0 : 1;
        const kept = (is === 1 || (lost && is === DIVERGED)) && Number.isFinite(value);
        found[run] = kept ? (wanted ? +(value === wanted[where[variable.name]]) : value) : NaN;
      }
      for (const [mask, along] of others) {
        const begin = base(mask, where);
        for (let run = 0; run < steps.length; run++)
          if (!mask.values[begin + along[run]]) ((exist[run] = 0), (found[run] = NaN));
      }
      return { values: found, exist };
    };
  }

  // Student's quantile: tabulated, and Fisher and Cornish's expansion beyond (Abramowitz and Stegun 26.7.5).
  function student(level, degrees) {
    const { z, t } = level;
    if (degrees <= t.length) return t[degrees - 1];
    const terms = [
      z,
      (z ** 3 + z) / 4,
      (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
      (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
      (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / 92160,
    ];
    return terms.reduceRight((sum, term) => sum / degrees + term, 0);
  }

  const cell = (estimate, low, high, n, left) => ({ estimate, low, high, n, left });

  function meanOf(mean, deviation, n, left, level) {
    if (n < 2) return cell(mean, -Infinity, Infinity, n, left);
    const half = (student(level, n - 1) * deviation) / Math.sqrt(n);
    return cell(mean, mean - half, mean + half, n, left);
  }

  function count({ values, exist }) {
    let n = 0,
      there = 0;
    for (let run = 0; run < values.length; run++) ((n += values[run] === values[run]), (there += exist[run]));
    return [n, there - n];
  }

  function mean(runs, level) {
    const [n, left] = count(runs);
    let sum = 0,
      squares = 0;
    for (const value of runs.values) if (value === value) sum += value;
    const centre = n ? sum / n : NaN;
    for (const value of runs.values) if (value === value) squares += (value - centre) ** 2;
    return meanOf(centre, Math.sqrt(squares / Math.max(n - 1, 1)), n, left, level);
  }

  function wilson(k, n, left, level) {
    const z = level.z,
      spread = z * Math.sqrt((k * (n - k)) / Math.max(n, 1) + z ** 2 / 4);
    const low = k === 0 ? 0 : (k + z ** 2 / 2 - spread) / (n + z ** 2);
    const high = k === n ? 1 : (k + z ** 2 / 2 + spread) / (n + z ** 2);
    return cell(n ? k / n : NaN, low, high, n, left);
  }

  function share(runs, level) {
    const [n, left] = count(runs);
    let k = 0;
    for (const value of runs.values) if (value === value) k += value;
    return wilson(k, n, left, level);
  }

  function median(runs) {
    const [n, left] = count(runs),
      sorted = runs.values.filter((value) => value === value).sort();
    const quantile = (q) => {
      const position = q * (n - 1),
        below = Math.floor(position),
        above = Math.ceil(position);
      return sorted[below] + (sorted[above] - sorted[below]) * (position - below);
    };
    if (!n) return cell(NaN, -Infinity, Infinity, 0, left);
    return cell(quantile(0.5), n > 1 ? quantile(0.05) : -Infinity, n > 1 ? quantile(0.95) : Infinity, n, left);
  }

  // Functions of a cell for one view of a variable: its `summary`, and its `runs`; null where the page lacks them.
  function ask({ view, variable, pooled, axis, baseline, level }) {
    if (view === "diverged") {
      const steps = offsets(state, pooled);
      const summary = (where) => {
        const start = base(state, where);
        let k = 0,
          n = 0;
        for (const step of steps) {
          const is = state.values[start + step];
          if (is !== ABSENT) n++;
          if (is === DIVERGED) k++;
        }
        return wilson(k, n, 0, level);
      };
      return { summary, runs: () => null };
    }
    if (usesMoments(view, variable, pooled)) {
      const { mean, deviation, n, left_out: left } = variable.moments;
      const one = (array, where) => array.values[base(array, where)];
      const summary = (where) => {
        const runs = one(n, where),
          average = one(mean, where);
        if (variable.kind === "b") return wilson(runs ? Math.round(average * runs) : 0, runs, one(left, where), level);
        return meanOf(average, one(deviation, where), runs, one(left, where), level);
      };
      const kept = variable.values && reader(variable, pooled),
        rows = kept && variable.values.lookup[variable.thin];
      return {
        summary,
        runs: (where) => (kept && (!rows || where[variable.thin] in rows) ? kept(where).values : null),
      };
    }
    const plain = reader(variable, pooled);
    if (view === "mean") {
      const average = variable.kind === "b" ? share : mean;
      return { runs: (where) => plain(where).values, summary: (where) => average(plain(where), level) };
    }
    if (view !== "difference")
      return { runs: (where) => plain(where).values, summary: (where) => median(plain(where)) };
    const pairs = (where) => {
      const { values, exist } = plain(where),
        other = plain({ ...where, [axis]: baseline });
      for (let run = 0; run < values.length; run++)
        ((values[run] -= other.values[run]), (exist[run] &= other.exist[run]));
      return { values, exist };
    };
    return { runs: (where) => pairs(where).values, summary: (where) => mean(pairs(where), level) };
  }

  // Means of a history that is there in part only are those of all entries, as long as the runs are the usual ones.
  function usesMoments(view, variable, pooled) {
    return view === "mean" && !!variable.moments && pooled.join() === data.runs;
  }

  // The indices along a dimension that can be asked for.
  function places(view, variable, pooled, dim) {
    if (dim !== variable.thin) return data.dims[dim].labels.map((_, i) => i);
    const part = usesMoments(view, variable, pooled) ? variable.moments : variable.values;
    return part ? [...part.places] : [];
  }

  const flags = { name: "diverged", title: "diverged", units: "", dims: state.dims, values: state, thin: null };
  return {
    dims: data.dims,
    axes: data.axes,
    runs: data.runs,
    lost: state.values.every((is) => is !== 1), // whether no run is fine
    levels,
    variables,
    flags,
    ask,
    places,
    usesMoments,
  };
})(JSON.parse(document.getElementById("data").textContent));

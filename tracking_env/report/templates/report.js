"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const { trackers, sequences } = data, parts = Object.keys(data.parts), metrics = Object.keys(data.metrics), headline = metrics[0];
const EQUAL = 0.005;  // a smaller change of a sequence's score counts as none
const state = {
  shown: new Set(trackers.keys()),
  part: parts[0],
  attributes: { metric: headline, chart: "Bars" },
  metric: headline,  // of the table of sequences
  filter: "",
  sorted: {},  // per table its column and direction
  sequence: 0, at: sequences[0].frames.length >> 1, ours: data.ours, rival: data.rival,  // frame by frame
  before: data.rival, after: data.ours, allMoves: false,
};
const shownTrackers = () => [...trackers.keys()].filter(tracker => state.shown.has(tracker));

/* Elements */

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

function drawn(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const byId = id => document.getElementById(id);
const fill = (id, ...children) => byId(id)?.replaceChildren(...children);
const number = (value, digits = 3) => value === null || value === undefined ? "–" : value.toFixed(digits);
const signed = (value, digits = 3) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

function swatch(tracker) {
  const { colour, dashes } = trackers[tracker];
  const line = { x1: 1, y1: 4, x2: 29, y2: 4, stroke: colour, "stroke-width": 3, "stroke-dasharray": dashes.map(length => length * 1.6).join(" ") };
  return drawn("svg", { class: "swatch", viewBox: "0 0 30 8", "aria-hidden": "true" }, drawn("line", line));
}

const nameOf = tracker => make("span", { class: "name", title: trackers[tracker].name }, trackers[tracker].name);

function choice(label, options, selected, choose) {  // options: [value, title]
  const buttons = options.map(([value, title]) =>
    make("button", { type: "button", "aria-pressed": String(value === selected), onclick: () => choose(value) }, title));
  return make("span", { class: "choice", role: "group", "aria-label": label }, ...buttons);
}

function select(label, options, selected, choose) {
  const node = make("select", { onchange: () => choose(Number(node.value)) });
  for (const [value, title] of options) node.append(make("option", { value, selected: value === selected }, title));
  return make("label", {}, label, node);
}

/* Tables: sorted by a click on a title, the best and the second best marked as the DRLT paper marks them. */

function marks(values) {  // classes of values; equal after rounding share a place
  const rounded = values.map(value => value === null ? null : Number(value.toFixed(3)));
  const places = [...new Set(rounded.filter(value => value !== null))].sort((a, b) => b - a);
  if (rounded.length < 2) return rounded.map(() => "");
  return rounded.map(value => value === null ? "" : value === places[0] ? "best" : value === places[1] ? "second" : "");
}

function sortRows(rows, { column, descending }) {  // rows: {keys: [...]}; missing numbers stay last
  const order = (a, b) => typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
  return rows.sort((first, second) => {
    const [a, b] = [first.keys[column], second.keys[column]];
    if (a === null || b === null) return (a === null) - (b === null);
    return descending ? order(b, a) : order(a, b);
  });
}

function table(id, caption, titles, rows, foot, render) {
  // titles: [node or text]; rows: {name: node, keys: [text, number, ...], cells: [{text, mark}]}; foot: such a row.
  const sorted = state.sorted[id];
  if (sorted) rows = sortRows(rows, sorted);
  const heads = titles.map((title, column) => {
    const direction = sorted?.column !== column ? "none" : sorted.descending ? "descending" : "ascending";
    const sort = () => {
      // Numbers: best first. The names of the first column: in their order.
      state.sorted[id] = { column, descending: direction === "none" ? column > 0 : direction === "ascending" };
      render();
      byId(id).querySelectorAll("thead button")[column].focus();
    };
    const button = make("button", { type: "button", onclick: sort }, ...[title].flat(), make("span", { class: "arrow", "aria-hidden": "true" }));
    return make("th", { scope: "col", "aria-sort": direction }, button);
  });
  const line = ({ name, cells }) => make("tr", {}, make("th", { scope: "row" }, ...[name].flat()),
    ...cells.map(({ text, mark }) => make("td", {}, mark ? make("span", { class: mark }, text) : text)));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    make("table", {}, make("caption", { class: "hidden" }, caption), make("thead", {}, make("tr", {}, ...heads)),
      make("tbody", {}, ...rows.map(line)), ...(foot ? [make("tfoot", {}, line(foot))] : [])));
}

/* The bar: trackers and the part, for the whole page. */

function renderBar() {
  const show = chosen => { state.shown = new Set(chosen); render(); };
  const toggle = tracker => { state.shown.has(tracker) ? state.shown.delete(tracker) : state.shown.add(tracker); render(); };
  const chips = [...trackers.keys()].map(tracker => make("button", {
    type: "button", class: "chip", "data-tracker": tracker, "aria-pressed": String(state.shown.has(tracker)),
    title: `${trackers[tracker].name} (double-click: only this one)`,
    onclick: () => toggle(tracker), ondblclick: () => show([tracker]),
  }, swatch(tracker), nameOf(tracker)));
  const left = byId("chips").scrollLeft;
  fill("chips",
    ...(parts.length > 1 ? [choice("Frames", parts.map(part => [part, data.parts[part]]), state.part, part => { state.part = part; render(); })] : []),
    make("button", { type: "button", class: "button", id: "show-all", onclick: () => show(trackers.keys()) }, "All"),
    make("button", { type: "button", class: "button", id: "show-none", onclick: () => show([]) }, "None"), ...chips);
  byId("chips").scrollLeft = left;
  for (const node of document.querySelectorAll("details[data-tracker]")) node.hidden = !state.shown.has(Number(node.dataset.tracker));
}

/* Scores */

function renderScores() {
  const shown = shownTrackers(), means = data.means[state.part], deviations = data.deviations[state.part];
  const columns = metrics.map(metric => shown.map(tracker => means[metric][tracker]));
  const classes = columns.map(marks);
  const rows = shown.map((tracker, at) => {
    const { fps, scored, failed, name, trained } = trackers[tracker];
    const cells = metrics.map((metric, column) => {
      const deviation = deviations[metric][tracker];
      return { text: number(columns[column][at]) + (deviation === null ? "" : ` ± ${number(deviation)}`), mark: classes[column][at] };
    });
    const more = [{ text: number(fps, 1) }, { text: `${scored} of ${scored + failed}` }];
    return { name: [swatch(tracker), " ", nameOf(tracker), ...(trained && parts.length > 1 ? ["†"] : [])], keys: [name, ...columns.map(column => column[at]), fps, scored], cells: [...cells, ...more] };
  });
  state.sorted["scores-table"] ??= { column: 1, descending: true };
  const titles = [`Tracker${data.over}`, ...metrics.map(metric => data.metrics[metric]), "fps", "scored"];
  fill("scores-table", table("scores-table", `Scores, ${data.parts[state.part]}`, titles, rows, null, renderScores));
}

function save(name, type, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}

function asCsv() {
  const quote = text => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const lines = [["tracker", "sequence", "part", ...metrics].join(",")];
  for (const tracker of shownTrackers()) for (const part of parts) {
    const row = (name, value) => lines.push([quote(trackers[tracker].name), quote(name), part, ...metrics.map(metric => value(metric) ?? "")].join(","));
    row("mean", metric => data.means[part][metric][tracker]);
    sequences.forEach((sequence, at) => row(sequence.name, metric => data.scores[part][metric][tracker][at]));
  }
  return `${lines.join("\n")}\n`;
}

function asJson() {
  const score = value => Object.fromEntries(metrics.map(metric => [metric, value(metric)]));
  const perPart = value => Object.fromEntries(parts.map(part => [part, score(metric => value(part, metric))]));
  const entries = shownTrackers().map(tracker => [trackers[tracker].name, {
    mean: perPart((part, metric) => data.means[part][metric][tracker]),
    fps: trackers[tracker].fps,
    sequences: Object.fromEntries(sequences.map((sequence, at) => [sequence.name, perPart((part, metric) => data.scores[part][metric][tracker][at])])),
  }]);
  return `${JSON.stringify(Object.fromEntries(entries), null, 1)}\n`;
}

function asLatex() {
  const escapes = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}" };
  const escape = text => text.replace(/[\\~^&%$_{}]|\x23/g, character => escapes[character] ?? `\\${character}`);
  const shown = shownTrackers().sort((a, b) => (data.means[state.part][headline][b] ?? -1) - (data.means[state.part][headline][a] ?? -1));
  const columns = metrics.map(metric => shown.map(tracker => data.means[state.part][metric][tracker]));
  const classes = columns.map(marks), styles = { best: "\\textbf", second: "\\underline" };
  const rows = shown.map((tracker, at) => [escape(trackers[tracker].name), ...columns.map((column, index) => {
    const text = number(column[at]).replace("–", "--"), style = styles[classes[index][at]];
    return style ? `${style}{${text}}` : text;
  })].join(" & "));
  const titles = [`Tracker${data.over}`, ...metrics.map(metric => escape(data.metrics[metric]))].join(" & ");
  return [`\\begin{tabular}{l${"r".repeat(metrics.length)}}  % ${data.parts[state.part]}, ${sequences.length} sequences; needs booktabs`, "\\toprule",
    `${titles} \\\\`, "\\midrule", ...rows.map(row => `${row} \\\\`), "\\bottomrule", "\\end{tabular}", ""].join("\n");
}

function renderDownloads() {
  const kinds = { CSV: ["scores.csv", "text/csv", asCsv], JSON: ["scores.json", "application/json", asJson], LaTeX: ["scores.tex", "text/plain", asLatex] };
  fill("downloads", make("span", { class: "note" }, "Numbers of the trackers shown:"), ...Object.entries(kinds).map(([title, [name, type, text]]) =>
    make("button", { type: "button", class: "button", id: `save-${title.toLowerCase()}`, onclick: () => save(name, type, text()) }, title)));
}

/* Curves. Colours of axes are read when a plot is drawn: light, dark or for paper. */

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const plots = [];

function axis(label, more = {}) {
  const line = { stroke: () => css("--line"), width: 1 };
  return { label, labelSize: 22, size: 34, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", stroke: () => css("--ink"), grid: line, ticks: line, ...more };
}

function readout(rows, place) {
  const box = make("div", { class: "readout", hidden: true });
  const update = plot => {
    const { left, top, idx } = plot.cursor;
    box.hidden = left === undefined || left < 0 || idx === null;
    if (box.hidden) return;
    box.replaceChildren(...rows(plot, idx));
    const right = left > plot.over.clientWidth / 2;
    box.style.left = right ? "auto" : `${left + 14}px`;
    box.style.right = right ? `${plot.over.clientWidth - left + 14}px` : "auto";
    box.style.top = `${Math.max(0, Math.min(top - 20, plot.over.clientHeight - box.offsetHeight))}px`;
    place?.(plot, idx);
  };
  return { hooks: { init: plot => plot.over.append(box), setCursor: update, setSeries: update } };
}

function valueRows(plot, idx, title, digits = 3) {  // the trackers under the cursor, the highest first
  const values = shownTrackers().map(tracker => [tracker, plot.data[tracker + 1][idx]]).filter(([, value]) => value !== null && value !== undefined);
  values.sort((a, b) => b[1] - a[1]);
  const near = plot.series.findIndex((series, at) => at > 0 && plot.cursor.focus?.prox > 0 && series._focus) - 1;
  return [make("div", { class: "soft" }, title), ...values.slice(0, 14).map(([tracker, value]) =>
    make("div", { class: tracker === near ? "near" : null }, swatch(tracker), number(value, digits), nameOf(tracker)))];
}

function newPlot(container, x, y, values, range, height, plugin, hooks = {}) {
  const lines = trackers.map(({ name, colour, dashes }, tracker) => ({
    label: name, stroke: colour, width: 2, dash: dashes.map(length => 2 * length), show: state.shown.has(tracker), points: { show: false },
  }));
  const plot = new uPlot({
    width: Math.max(200, container.clientWidth), height,
    scales: { x: { time: false, range: (_, low, high) => high > low ? [low, high] : range }, y: { range: [0, 1] } },
    axes: [axis(x), axis(y, { size: 40 })],
    series: [{}, ...lines],
    legend: { show: false },
    cursor: { focus: { prox: 20 }, points: { size: 7 }, drag: { x: true, y: false, dist: 8 } },
    focus: { alpha: 0.25 },
    plugins: [plugin],
    hooks,
  }, values, container);
  new ResizeObserver(() => plot.setSize({ width: Math.max(200, container.clientWidth), height })).observe(container);
  plots.push(plot);
  return plot;
}

const curves = data.curves.map(curve => {
  const container = make("div", { class: "plot" }), legend = make("ol", { class: "legend" });
  const title = make("h3");
  byId("curve-plots").append(make("figure", { "data-curve": curve.kind }, title, container, legend));
  return { ...curve, container, legend, title, plot: null };
});
const curveData = curve => [curve.thresholds, ...curve.rates[state.part].map(rates => rates ?? curve.thresholds.map(() => null))];

function renderCurves() {
  for (const curve of curves) {
    const [first, last] = [curve.thresholds[0], curve.thresholds.at(-1)];
    const rows = (plot, idx) => valueRows(plot, idx, `${curve.x}: ${curve.thresholds[idx]}`);
    curve.plot ??= newPlot(curve.container, curve.x, curve.y, curveData(curve), [first, last], 300, readout(rows));
    curve.plot.setData(curveData(curve));
    trackers.forEach((_, tracker) => curve.plot.setSeries(tracker + 1, { show: state.shown.has(tracker) }));
    const kind = curve.kind[0].toUpperCase() + curve.kind.slice(1);
    curve.title.textContent = `${kind}, ${data.parts[state.part]} [${curve.label}]`;
    const means = curve.means[state.part], present = [...trackers.keys()].filter(tracker => curve.rates[state.part][tracker]);
    present.sort((a, b) => means[b] - means[a]);
    curve.legend.replaceChildren(...present.map(tracker => make("li", {}, make("button", {
      type: "button", "data-tracker": tracker, "aria-pressed": String(state.shown.has(tracker)),
      onclick: () => { state.shown.has(tracker) ? state.shown.delete(tracker) : state.shown.add(tracker); render(); },
      onmouseenter: () => curve.plot.setSeries(tracker + 1, { focus: true }), onmouseleave: () => curve.plot.setSeries(null, { focus: true }),
    }, swatch(tracker), make("span", { class: "number" }, number(means[tracker])), nameOf(tracker)))));
  }
}

/* What changed between two trackers */

function renderChanges() {
  if (!byId("change")) return;
  const options = trackers.map(({ name }, tracker) => [tracker, name]), { before, after } = state;
  fill("pair",
    select("Before", options, before, value => { state.before = value; renderChanges(); }),
    select("After", options, after, value => { state.after = value; renderChanges(); }),
    make("button", { type: "button", class: "button", id: "swap", onclick: () => { [state.before, state.after] = [after, before]; renderChanges(); } }, "Swap"));
  const interval = data.changes[state.part][before][after], scores = data.scores[state.part][headline];
  if (!interval) {
    fill("change", make("p", {}, before === after ? "Choose two trackers." : "No sequence has a score of both."));
    return;
  }
  const moves = [];
  sequences.forEach((sequence, at) => {
    const [old, now] = [scores[before][at], scores[after][at]];
    if (old !== null && now !== null) moves.push({ at, old, now, difference: now - old });
  });
  moves.sort((a, b) => b.difference - a.difference);
  const mean = key => moves.reduce((sum, move) => sum + move[key], 0) / moves.length;
  const better = moves.filter(move => move.difference >= EQUAL).length, worse = moves.filter(move => move.difference <= -EQUAL).length;
  const clear = interval[0] > 0 ? "better" : interval[1] < 0 ? "worse" : null;
  const verdict = clear ? `On such sequences it is ${clear}: the interval does not contain 0.`
    : "The interval contains 0: on other sequences the order may be the other way round.";
  const largest = Math.max(0.05, ...moves.map(move => Math.abs(move.difference)));
  const few = state.allMoves || moves.length <= 20 ? moves : [...moves.slice(0, 10), ...moves.slice(-10)];
  const bars = few.map(({ at, old, now, difference }) => {
    const width = 50 * Math.abs(difference) / largest, left = difference < 0 ? 50 - width : 50;
    return make("div", { class: "move", title: `${number(old)} → ${number(now)}` },
      make("button", { type: "button", onclick: () => openSequence(at, after, before) }, sequences[at].name),
      make("span", { class: "track" }, make("span", { class: `fill ${difference < 0 ? "down" : "up"}`, style: `left:${left}%;width:${width}%` })),
      make("span", {}, signed(difference)));
  });
  fill("change",
    make("p", { class: "verdict" }, `Mean ${data.metrics[headline]}, ${data.parts[state.part]}: ${number(mean("old"))} → ${number(mean("now"))}, `,
      make("strong", {}, signed(mean("difference"))), ` [${signed(interval[0])}, ${signed(interval[1])}]. ${verdict}`),
    make("p", { class: "note" }, `Paired bootstrap over ${moves.length} sequences, ${100 * data.level} % interval. `
      + `${better} better, ${moves.length - better - worse} equal (within ${EQUAL}), ${worse} worse.`),
    make("div", { class: "moves" }, ...bars),
    ...(moves.length > few.length || state.allMoves ? [make("button", { type: "button", class: "button", id: "all-moves", onclick: () => { state.allMoves = !state.allMoves; renderChanges(); } },
      state.allMoves ? "Show fewer" : `Show all ${moves.length}`)] : []));
}

/* The table of sequences */

function renderFilter() {
  const input = make("input", { type: "search", id: "filter", placeholder: "Name or attribute", "aria-label": "Name or attribute", value: state.filter,
    oninput: () => { state.filter = input.value; renderSequences(); } });
  fill("sequence-filter", choice("Score", metrics.map(metric => [metric, data.metrics[metric]]), state.metric, metric => { state.metric = metric; renderFilter(); renderSequences(); }), input);
}

function renderSequences() {
  const shown = shownTrackers(), scores = data.scores[state.part][state.metric], words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [];
  sequences.forEach((sequence, at) => {
    const text = [sequence.name, ...sequence.attributes].join(" ").toLowerCase();
    if (!words.every(word => text.includes(word))) return;
    const values = shown.map(tracker => scores[tracker][at]), classes = marks(values);
    rows.push({
      name: make("button", { type: "button", title: `${sequence.name}: ${sequence.length} frames ${sequence.attributes.join(" ")}`, onclick: () => openSequence(at) }, sequence.name),
      keys: [sequence.name, ...values], cells: values.map((value, column) => ({ text: number(value), mark: classes[column] })),
    });
  });
  const means = shown.map(tracker => data.means[state.part][state.metric][tracker]), classes = marks(means);
  const foot = { name: data.over ? `Mean${data.over}` : "Mean of all", cells: means.map((value, column) => ({ text: number(value), mark: classes[column] })) };
  const titles = ["Sequence", ...shown.map(tracker => [swatch(tracker), make("br"), nameOf(tracker)])];
  if ((state.sorted["sequences-table"]?.column ?? 0) > shown.length) delete state.sorted["sequences-table"];
  fill("sequences-table", table("sequences-table", `${data.metrics[state.metric]} per sequence, ${data.parts[state.part]}`, titles, rows, foot, renderSequences));
}

/* Frame by frame: a picture with boxes, a scrubber, and the overlap of each tracker. */

const bytes = text => Uint8Array.from(atob(text), character => character.charCodeAt(0));
const decoded = new Map();

function boxesOf(sequence, text) {  // rows x, y, w, h; no text: no result
  if (!text) return null;
  if (!decoded.has(text)) {
    const view = new DataView(bytes(text).buffer);
    decoded.set(text, sequence.frames.map((_, row) => [0, 2, 4, 6].map(offset => view.getInt16(8 * row + offset, true))));
  }
  return decoded.get(text);
}

function overlapsOf(sequence, tracker) {  // one per point; null where there is no true box
  const text = sequence.overlaps[tracker];
  return text ? Array.from(bytes(text), value => value > 250 ? null : value / 250) : null;
}

const pointOf = (sequence, frame) => Math.floor(frame / sequence.group);  // frames count from 0 here

function screen(sequence, at, ours, rival, picture = sequence.pictures[at]) {
  const [width, height] = sequence.size, layers = drawn("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
  const roles = [[sequence.truth, css("--truth"), ""]];
  for (const tracker of new Set([rival, ours])) {
    if (tracker !== null) roles.push([sequence.boxes[tracker], trackers[tracker].colour, trackers[tracker].dashes.map(length => 2 * length).join(" ")]);
  }
  for (const [text, colour, dashes] of roles) {
    const box = boxesOf(sequence, text)?.[at];
    if (!box || box[2] <= 0) continue;
    const place = { x: box[0], y: box[1], width: box[2], height: box[3] };
    // A black edge, so that the box stands out from a background of its own colour.
    layers.append(drawn("rect", { ...place, stroke: "#000", "stroke-width": 5, opacity: 0.6 }), drawn("rect", { ...place, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dashes }));
  }
  return [...(picture ? [make("img", { src: picture, alt: "" })] : []), layers];
}

let overlapPlot = null;

function overlapData(sequence) {
  const lines = trackers.map((_, tracker) => overlapsOf(sequence, tracker)), points = pointOf(sequence, sequence.length - 1) + 1;
  // The middle frame of each group; frames are numbered from 1.
  const numbers = Array.from({ length: points }, (_, point) => Math.min(sequence.length, point * sequence.group + (sequence.group + 1) / 2));
  return [numbers, ...lines.map(line => line ?? numbers.map(() => null))];
}

function drawMarker(plot) {  // the first third, where the page tells the parts apart, and the frame that is shown
  const sequence = sequences[state.sequence], { ctx, bbox } = plot;
  const position = frame => plot.valToPos(frame, "x", true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  if (parts.length > 1) {
    ctx.fillStyle = css("--shade");
    ctx.fillRect(position(0.5), bbox.top, position(sequence.seen + 0.5) - position(0.5), bbox.height);
  }
  ctx.fillStyle = css("--ink");
  ctx.fillRect(position(sequence.frames[state.at] + 1) - devicePixelRatio / 2, bbox.top, Math.max(1, devicePixelRatio), bbox.height);
  ctx.restore();
}

function renderFrame() {
  const sequence = sequences[state.sequence], frame = sequence.frames[state.at];
  const node = byId("screen");
  node.style.aspectRatio = `${sequence.size[0]} / ${sequence.size[1]}`;
  node.replaceChildren(...screen(sequence, state.at, state.ours, state.rival));
  byId("frame").value = state.at;
  byId("frame-number").textContent = `${frame + 1} / ${sequence.length}`;
  const point = pointOf(sequence, frame), entries = [make("li", {}, make("span", { style: `border:2px solid ${css("--truth")};width:1.4em;height:.8em` }), "truth")];
  for (const tracker of new Set([state.ours, state.rival])) {
    if (tracker === null) continue;
    const overlap = overlapsOf(sequence, tracker)?.[point];
    entries.push(make("li", {}, swatch(tracker), nameOf(tracker), make("strong", {}, overlap === undefined ? "no result" : number(overlap, 2))));
  }
  fill("values", ...entries);
  overlapPlot?.redraw(false);
}

function goTo(at) {
  state.at = Math.max(0, Math.min(sequences[state.sequence].frames.length - 1, at));
  renderFrame();
}

function renderFrameChoice() {
  const names = trackers.map(({ name }, tracker) => [tracker, name]);
  fill("frame-choice",
    select("Sequence", sequences.map(({ name }, at) => [at, name]), state.sequence, at => openSequence(at, state.ours, state.rival, false)),
    select("Tracker", names, state.ours, value => { state.ours = value; renderViewer(); }),
    ...(trackers.length > 1 ? [select("Rival", names, state.rival, value => { state.rival = value; renderViewer(); })] : []));
}

function renderViewer() {
  const sequence = sequences[state.sequence], container = byId("overlap-plot");
  renderFrameChoice();
  byId("frame").max = sequence.frames.length - 1;
  if (!overlapPlot) {
    const rows = (plot, idx) => valueRows(plot, idx, `frame ${Math.round(plot.data[0][idx])}`, 2);
    overlapPlot = newPlot(container, "frame", "overlap", overlapData(sequence), [0, 2], 280, readout(rows), { drawClear: [plot => drawMarker(plot)] });
    overlapPlot.over.addEventListener("click", () => {
      const { left } = overlapPlot.cursor, frame = overlapPlot.posToVal(left, "x") - 1, { frames } = sequences[state.sequence];
      if (left >= 0) goTo(frames.reduce((best, other, at) => Math.abs(other - frame) < Math.abs(frames[best] - frame) ? at : best, 0));
    });
  }
  overlapPlot.setData(overlapData(sequence));
  trackers.forEach((_, tracker) => overlapPlot.setSeries(tracker + 1, { show: state.shown.has(tracker) }));
  const facts = [`${sequence.length} frames`, sequence.attributes.join(" "), sequence.group > 1 ? `each point of the plot is the mean over ${sequence.group} frames` : "",
    sequence.pictures.length ? `${sequence.frames.length} of them as pictures` : "no pictures: boxes on an empty frame"];
  byId("sequence-facts").textContent = `${facts.filter(Boolean).join("; ")}. Click the plot to go to a frame.`;
  for (const thumb of byId("thumbs").children) thumb.setAttribute("aria-current", String(Number(thumb.dataset.sequence) === state.sequence));
  renderFrame();
}

function openSequence(at, ours = state.ours, rival = state.rival, scroll = true) {
  Object.assign(state, { sequence: at, at: 0, ours, rival });
  stop();
  renderViewer();
  if (scroll) byId("frames").scrollIntoView();
}

function renderThumbs() {
  const scores = data.scores[state.part][headline];
  fill("thumbs", ...sequences.flatMap((sequence, at) => {
    if (!sequence.pictures.length) return [];
    const middle = sequence.pictures.length >> 1, ratio = sequence.size[0] / sequence.size[1];
    const inner = make("span", { class: "inner", style: `aspect-ratio:${ratio};${ratio > 4 / 3 ? "width:100%" : "height:100%"}` }, ...screen(sequence, middle, state.ours, state.rival));
    const values = [state.ours, state.rival].filter(tracker => tracker !== null).map(tracker => number(scores[tracker][at], 2)).join(" / ");
    return [make("button", { type: "button", class: "thumb", "data-sequence": at, onclick: () => { openSequence(at); play(); } },
      make("span", { class: "screen" }, inner), make("strong", {}, sequence.name), ` ${values}`)];
  }));
}

let timer = null;

function stop() {
  clearInterval(timer);
  timer = null;
  byId("play").textContent = "Play";
}

function play() {
  if (state.at >= sequences[state.sequence].frames.length - 1) goTo(0);
  clearInterval(timer);
  byId("play").textContent = "Pause";
  timer = setInterval(() => {
    goTo(state.at + 1);
    if (state.at >= sequences[state.sequence].frames.length - 1) stop();
  }, 125);
}

byId("play").addEventListener("click", () => timer === null ? play() : stop());
byId("frame").addEventListener("input", event => { stop(); goTo(Number(event.target.value)); });

/* Attributes */

function radar(tags, values) {
  const shown = shownTrackers(), size = 460, middle = size / 2, radius = 165;
  const corner = (at, value) => {
    const angle = 2 * Math.PI * at / tags.length - Math.PI / 2;
    return [middle + radius * value * Math.cos(angle), middle + radius * value * Math.sin(angle)].map(place => place.toFixed(1));
  };
  const ring = value => tags.map((_, at) => corner(at, value).join(",")).join(" ");
  const image = drawn("svg", { class: "chart", viewBox: `0 0 ${size} ${size}`, style: "max-width:34rem", role: "img", "aria-label": "Scores by attribute" });
  for (const value of [0.25, 0.5, 0.75, 1]) {
    image.append(drawn("polygon", { points: ring(value), fill: "none", stroke: "var(--line)" }), drawn("text", { x: middle + 4, y: middle - radius * value - 3, style: "fill:var(--soft);font-size:10px" }, String(value)));
  }
  tags.forEach((tag, at) => {
    const [x, y] = corner(at, 1.13), end = corner(at, 1);
    image.append(drawn("line", { x1: middle, y1: middle, x2: end[0], y2: end[1], stroke: "var(--line)" }), drawn("text", { x, y, "text-anchor": "middle", "dominant-baseline": "middle" }, `${tag} (${data.attributes.counts[tag]})`));
  });
  for (const tracker of shown) {
    const points = tags.map((_, at) => corner(at, values[tracker][at] ?? 0).join(",")).join(" "), { colour, dashes, name } = trackers[tracker];
    image.append(drawn("polygon", { points, fill: colour, "fill-opacity": 0.06, stroke: colour, "stroke-width": 2, "stroke-dasharray": dashes.map(length => 2 * length).join(" ") }, drawn("title", {}, name)));
  }
  return image;
}

function renderAttributes() {
  if (!byId("attribute-chart")) return;
  const tags = Object.keys(data.attributes.counts), { metric, chart } = state.attributes, values = data.attributes.scores[state.part][metric];
  const choose = change => { Object.assign(state.attributes, change); renderAttributes(); };
  fill("attribute-choice",
    ...(tags.length > 2 ? [choice("Chart", [["Bars", "Bars"], ["Radar", "Radar"]], chart, value => choose({ chart: value }))] : []),
    choice("Score", metrics.map(name => [name, data.metrics[name]]), metric, value => choose({ metric: value })));
  if (chart === "Radar" && tags.length > 2) {
    const legend = shownTrackers().map(tracker => make("li", {}, swatch(tracker), nameOf(tracker)));
    fill("attribute-chart", radar(tags, values), make("ul", { class: "values" }, ...legend));
    return;
  }
  fill("attribute-chart", make("div", { class: "bars" }, ...tags.map((tag, at) => make("div", { "data-tag": tag }, make("h3", {}, `${tag} (${data.attributes.counts[tag]})`),
    ...shownTrackers().map(tracker => make("div", { class: "meter" }, nameOf(tracker),
      make("span", { class: "track" }, make("span", { class: "fill", style: `width:${100 * (values[tracker][at] ?? 0)}%;background:${trackers[tracker].colour}` })), number(values[tracker][at], 2)))))));
}

/* Speed */

function renderSpeed() {
  const points = shownTrackers().map(tracker => [tracker, trackers[tracker].fps, data.means[state.part][headline][tracker]]).filter(([, fps, score]) => fps && score !== null);
  if (!trackers.some(({ fps }) => fps)) {
    byId("speed-text").textContent = "No result file holds the time per frame.";
    return;
  }
  const width = Math.max(320, Math.min(700, byId("speed-chart").clientWidth)), [height, left, bottom, top] = [340, 46, 40, 12];
  const rates = points.map(([, fps]) => fps), low = Math.min(1, ...rates) / 1.5, high = Math.max(100, ...rates) * 2.5;
  const x = fps => left + (width - left - 10) * Math.log(fps / low) / Math.log(high / low), y = score => height - bottom - (height - bottom - top) * score;
  const image = drawn("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Speed and accuracy" });
  for (let power = Math.ceil(Math.log10(low)); 10 ** power < high; power++) {
    image.append(drawn("line", { x1: x(10 ** power), x2: x(10 ** power), y1: top, y2: y(0), stroke: "var(--line)" }),
      drawn("text", { x: x(10 ** power), y: height - bottom + 16, "text-anchor": "middle" }, String(10 ** power)));
  }
  for (const score of [0, 0.25, 0.5, 0.75, 1]) {
    image.append(drawn("line", { x1: left, x2: width - 10, y1: y(score), y2: y(score), stroke: "var(--line)" }), drawn("text", { x: left - 6, y: y(score) + 4, "text-anchor": "end" }, String(score)));
  }
  image.append(drawn("line", { x1: x(25), x2: x(25), y1: top, y2: y(0), stroke: "var(--soft)", "stroke-dasharray": "2 3" }), drawn("text", { x: x(25) + 4, y: y(0) - 6, style: "fill:var(--soft);font-size:11px" }, "live video, 25"),
    drawn("text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, "frames per second"), drawn("text", { x: left, y: top - 2, style: "font-size:11px" }, data.metrics[headline]));
  // Where dots and labels are: left, right and the middle's height. A label moves up or down to a free line.
  const taken = points.map(([, fps, score]) => [x(fps) - 6, x(fps) + 6, y(score)]);
  for (const [tracker, fps, score] of points) {
    const { colour, name } = trackers[tracker], end = x(fps) > width * 0.75;
    image.append(drawn("circle", { cx: x(fps), cy: y(score), r: 5.5, fill: colour }, drawn("title", {}, `${name}: ${number(fps, 1)} frames per second, ${number(score)}`)));
    if (points.length <= 12) {
      const label = name.length > 24 ? `${name.slice(0, 23)}…` : name;
      const start = x(fps) + (end ? -9 : 9), [first, last] = end ? [start - 7 * label.length, start] : [start, start + 7 * label.length];
      const free = line => !taken.some(([left, right, other]) => first < right && last > left && Math.abs(line - other) < 12);
      const line = [0, 12, -12, 24, -24, 36, -36].map(shift => y(score) + shift).find(free) ?? y(score);
      taken.push([first, last, line]);
      image.append(drawn("text", { class: "label", x: start, y: line + 4, "text-anchor": end ? "end" : "start" }, label));
    }
  }
  fill("speed-chart", image);
}

/* The tables beside the paper's, which are in the page already */

for (const button of document.querySelectorAll(".sortable thead button")) button.addEventListener("click", () => {
  const head = button.closest("th"), body = head.closest("table").tBodies[0], column = head.cellIndex;
  const descending = head.ariaSort === "none" ? column > 0 : head.ariaSort === "ascending";
  for (const other of head.parentElement.cells) other.ariaSort = "none";
  head.ariaSort = descending ? "descending" : "ascending";
  const key = row => column === 0 ? row.cells[0].textContent : row.cells[column].dataset.value === "" ? null : Number(row.cells[column].dataset.value);
  const rows = [...body.rows].map(row => ({ row, keys: { [column]: key(row) } }));
  body.append(...sortRows(rows, { column, descending }).map(({ row }) => row));
});

function render() {
  renderBar();
  renderScores();
  renderCurves();
  renderChanges();
  renderSequences();
  renderThumbs();
  renderViewer();
  renderAttributes();
  renderSpeed();
}

const redraw = () => { for (const plot of plots) plot.redraw(); };
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
// Paper is white: plots are drawn again in the light colours, which the style sheet alone cannot do to a canvas.
addEventListener("beforeprint", () => { document.documentElement.dataset.print = ""; redraw(); });
addEventListener("afterprint", () => { delete document.documentElement.dataset.print; redraw(); });
renderDownloads();
renderFilter();
render();

"use strict";

radbook.start("cutoff-app", (root, data) => {
  const { html, svg } = radbook;
  const state = { model: data.models[0].name, cohort: data.cohorts.at(-1).name, cutoff: 0.5 };
  const curve = () => data.curves[state.model][state.cohort];

  /** Row of the table that holds the counts of patients at or above `cutoff`; past its end nobody is. */
  const rowAt = ({ cutoffs }, cutoff) => {
    const row = cutoffs.findIndex((value) => value >= cutoff);
    return row < 0 ? cutoffs.length : row;
  };
  const nearest = ({ cutoffs }, wanted) =>
    cutoffs.reduce((best, value) => (Math.abs(value - wanted) < Math.abs(best - wanted) ? value : best));

  const counts = (of, cutoff) => {
    const row = rowAt(of, cutoff);
    const tp = of.tp[row] ?? 0, fp = of.fp[row] ?? 0;
    return { tp, fp, fn: of.events - tp, tn: of.n - of.events - fp };
  };
  // As the decision curves: thresholds have 10 digits.
  const netBenefit = (of, cutoff) => {
    const threshold = Number(cutoff.toFixed(10));
    const { tp, fp } = counts(of, threshold);
    return (tp - (fp * threshold) / (1 - threshold)) / of.n;
  };
  const treatAll = (of, threshold) => (of.events - ((of.n - of.events) * threshold) / (1 - threshold)) / of.n;

  const set = (change) => { Object.assign(state, change); update(); };
  const model = radbook.choice("cutoff-model", "Model", data.models.map(({ name }) => [name, name]), (name) => {
    offerCohorts(name);
    set({ model: name });
  });
  const cohort = radbook.choice("cutoff-cohort", "Patients", [], (name) => set({ cohort: name }));
  const slider = radbook.slider("cutoff-value", "Cut-off (positive at or above)", { min: 0, max: 1, step: 0.001 },
    (value) => set({ cutoff: value }));
  const buttons = html("div", { class: "radbook-buttons" },
    html("button", { type: "button", id: "cutoff-youden", click: () => set({ cutoff: curve().youden }) },
      "Youden cut-off of these patients"),
    html("button", { type: "button", id: "cutoff-training", click: () => set({ cutoff: data.curves[state.model].training.youden }) },
      "Youden cut-off of training"));
  const answer = html("output", { class: "radbook-answer", "aria-live": "polite", id: "cutoff-answer" });
  const chart = html("div", { class: "radbook-chart radbook-roc" });
  const matrix = html("table", { class: "radbook-table radbook-matrix" });
  const measures = html("table", { class: "radbook-table" });
  root.append(
    html("div", { class: "radbook-controls" }, model.row, cohort.row, slider.row, buttons),
    answer,
    html("div", { class: "radbook-beside" }, chart, html("div", {}, matrix, measures)));

  /** A set may be left out for a model when its patients are too few to be shown in groups. */
  function offerCohorts(name) {
    const offered = data.cohorts.filter((one) => one.name in data.curves[name]);
    cohort.select.replaceChildren(...offered.map((one) => html("option", { value: one.name }, one.title)));
    if (!offered.some((one) => one.name === state.cohort)) state.cohort = offered.at(-1).name;
  }

  let width = 0;
  radbook.onWidth(chart, (given) => { width = given; update(); });
  offerCohorts(state.model);
  update();

  function update() {
    const of = curve();
    if (data.grouped) state.cutoff = nearest(of, state.cutoff);
    model.select.value = state.model;
    cohort.select.value = state.cohort;
    slider.show(state.cutoff);
    document.getElementById("cutoff-training").disabled = !data.curves[state.model].training;
    const cell = counts(of, state.cutoff);
    const numbers = {
      sensitivity: cell.tp / of.events,
      specificity: cell.tn / (of.n - of.events),
      ppv: cell.tp / (cell.tp + cell.fp),
      npv: cell.tn / (cell.tn + cell.fn),
      accuracy: (cell.tp + cell.tn) / of.n,
      net_benefit: netBenefit(of, state.cutoff),
      treat_all: treatAll(of, state.cutoff),
    };
    answer.textContent = radbook.say(
      `Cut-off ${text(state.cutoff)}: sensitivity ${text(numbers.sensitivity)}, ` +
      `specificity ${text(numbers.specificity)}, net benefit ${text(numbers.net_benefit)}`);
    // For whoever reads the page by script: all digits.
    answer.dataset.numbers = JSON.stringify({ ...cell, ...numbers, cutoff: state.cutoff });
    matrix.replaceChildren(...matrixRows(cell));
    measures.replaceChildren(...measureRows(of, numbers));
    if (width) chart.replaceChildren(drawRoc(width, of, numbers));
  }

  // PPV without a positive, NPV without a negative and net benefit at 1 do not exist.
  function text(value) { return Number.isFinite(value) ? value.toFixed(3) : "-"; }

  function matrixRows({ tp, fp, fn, tn }) {
    const heading = (label, scope) => html("th", { scope }, label);
    const cell = (count, kind) => html("td", { class: `radbook-${kind}` }, String(count));
    return [
      html("caption", {}, "Confusion matrix (patients)"),
      html("thead", {}, html("tr", {}, html("td"), heading(data.groups[1], "col"), heading(data.groups[0], "col"))),
      html("tbody", {},
        html("tr", {}, heading("Positive", "row"), cell(tp, "right"), cell(fp, "wrong")),
        html("tr", {}, heading("Negative", "row"), cell(fn, "wrong"), cell(tn, "right"))),
    ];
  }

  function measureRows(of, numbers) {
    const rows = [
      ["Sensitivity", numbers.sensitivity], ["Specificity", numbers.specificity],
      ["Positive predictive value", numbers.ppv], ["Negative predictive value", numbers.npv],
      ["Accuracy", numbers.accuracy],
      ["Net benefit at this threshold", numbers.net_benefit], ["Net benefit of treating all", numbers.treat_all],
    ];
    const [auc, low, high] = of.auc.map(text);
    return [
      html("caption", {}, `${of.n} patients, ${of.events} with the outcome; AUC ${auc} (${low} to ${high})`),
      html("tbody", {}, ...rows.map(([name, value]) =>
        html("tr", {}, html("th", { scope: "row" }, name), html("td", {}, text(value))))),
    ];
  }

  /** The ROC curve in a square of `side` px, with the point of the chosen cut-off. */
  function drawRoc(side, of, numbers) {
    const low = 46, size = side - low - 12, bottom = 12 + size;
    const x = (specificity) => low + size * (1 - specificity), y = (sensitivity) => bottom - size * sensitivity;
    const corners = of.cutoffs.map((_, i) => [1 - of.fp[i] / (of.n - of.events), of.tp[i] / of.events]);
    const path = [[0, 1], ...corners, [1, 0]].map(([specificity, sensitivity]) => `${x(specificity)},${y(sensitivity)}`).join(" ");
    const colour = data.models.find(({ name }) => name === state.model).colour;
    const picture = svg("svg", {
      width: side, height: bottom + 42, viewBox: `0 0 ${side} ${bottom + 42}`, role: "img",
      "aria-label": "ROC curve with the point of the chosen cut-off",
    });
    const frame = svg("g", { class: "radbook-axis" });
    frame.append(
      svg("polyline", { points: `${low},12 ${low},${bottom} ${low + size},${bottom}`, fill: "none" }),
      svg("line", { x1: low, y1: bottom, x2: low + size, y2: 12, class: "radbook-chance" }));
    for (const tick of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
      frame.append(
        svg("text", { x: low + size * tick, y: bottom + 17, "text-anchor": "middle" }, String(tick)),
        svg("text", { x: low - 7, y: y(tick) + 4, "text-anchor": "end" }, String(tick)));
    }
    frame.append(
      svg("text", { x: low + size / 2, y: bottom + 36, "text-anchor": "middle", class: "radbook-title" }, "1 - specificity"),
      svg("text", { transform: `translate(13 ${12 + size / 2}) rotate(-90)`, "text-anchor": "middle", class: "radbook-title" }, "Sensitivity"));
    const [px, py] = [x(numbers.specificity), y(numbers.sensitivity)];
    picture.append(frame,
      svg("polyline", { points: path, fill: "none", stroke: colour, "stroke-width": 2.5 }),
      svg("polyline", { points: `${px},${bottom} ${px},${py} ${low},${py}`, fill: "none", class: "radbook-guide" }),
      svg("circle", { cx: px, cy: py, r: 7, class: "radbook-marker" }));
    return picture;
  }
});

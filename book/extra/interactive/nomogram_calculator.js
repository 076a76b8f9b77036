"use strict";

radbook.start("nomogram-app", (root, data) => {
  const { html, svg } = radbook;
  const values = Object.fromEntries(data.predictors.map((predictor) => [predictor.name, predictor.start]));

  const logOdds = (predictor, value) =>
    predictor.levels ? predictor.levels[value] : predictor.coefficient * value;
  const points = (predictor) =>
    (logOdds(predictor, values[predictor.name]) - predictor.lowest) * data.points_per_unit;
  const probability = () => {
    const sum = data.predictors.reduce(
      (total, predictor) => total + logOdds(predictor, values[predictor.name]), data.intercept);
    return 1 / (1 + Math.exp(-sum));
  };

  const fields = data.predictors.map((predictor) => {
    const id = `nomogram-${predictor.name}`;
    const set = (value) => { values[predictor.name] = value; update(); };
    if (predictor.levels) {
      const names = Object.keys(predictor.levels);
      const { row, select } = radbook.choice(id, predictor.title, names.map((name) => [name, name]), set);
      return { row, show: (value) => { select.value = value; } };
    }
    const [min, max] = predictor.range;
    return radbook.slider(id, predictor.title, { min, max, step: (max - min) / 200 }, set);
  });
  const chart = html("div", { class: "radbook-chart" });
  const answer = html("output", { class: "radbook-answer", "aria-live": "polite", id: "nomogram-answer" });
  const body = html("tbody");
  const table = html("table", { class: "radbook-table" },
    html("thead", {}, html("tr", {}, ...["Predictor", "Value", "Points"].map((text) => html("th", { scope: "col" }, text)))),
    body);
  root.append(
    html("div", { class: "radbook-controls" }, ...fields.map((field) => field.row)),
    answer, chart, table);

  let drawing = null;
  radbook.onWidth(chart, (width) => {
    drawing = drawNomogram(width, data);
    chart.replaceChildren(drawing.picture);
    update();
  });

  function update() {
    data.predictors.forEach((predictor, i) => fields[i].show(values[predictor.name]));
    const each = data.predictors.map(points);
    const total = each.reduce((sum, value) => sum + value, 0);
    const risk = probability();
    answer.dataset.probability = risk;
    answer.dataset.points = total;
    const number = risk < 0.001 ? "below 0.001" : risk > 0.999 ? "above 0.999" : risk.toFixed(3);
    answer.textContent = radbook.say(`${total.toFixed(1)} points: risk ${number}`);
    const rows = data.predictors.map((predictor, i) => [predictor.title, shown(values[predictor.name]), each[i].toFixed(1)]);
    body.replaceChildren(
      ...[...rows, ["Total", "", total.toFixed(1)]].map(([title, value, sum]) =>
        html("tr", {}, html("th", { scope: "row" }, title), html("td", {}, value), html("td", {}, sum))));
    if (drawing) drawing.mark(each, total);
  }

  const shown = (value) => (typeof value === "string" ? value : String(Number(value.toFixed(2))));

  /** The nomogram as SVG, `width` px wide, and a function that moves its markers. */
  function drawNomogram(width, given) {
    const wide = width >= 620;
    const left = wide ? 150 : 14, right = width - 16;
    const step = wide ? 62 : 88, first = wide ? 26 : 46;
    const scales = [
      { title: "Points", ticks: given.point_ticks, side: -1 },
      ...given.predictors.map(({ title, ticks }) => ({ title, ticks })),
      { title: "Total points", ticks: given.total_ticks, stretch: true },
      { title: given.outcome, ticks: given.risk_ticks, stretch: true },
    ];
    const widest = Math.max(...given.total_ticks.map(([, place]) => place));
    const x = (place, stretch) => left + ((right - left) * place) / (stretch ? widest : 100);
    const y = (row) => first + row * step;
    const height = y(scales.length - 1) + 34;
    const picture = svg("svg", {
      width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": "Nomogram; the patient's values, points and risk are marked on its axes",
    });
    const rows = given.predictors.length;
    const line = () => svg("line", { class: "radbook-guide" });
    const dot = () => svg("circle", { class: "radbook-marker", r: 6 });
    const guides = Array.from({ length: rows + 1 }, line);
    const dots = Array.from({ length: rows + 2 }, dot);
    // Guides below the labels, dots above all.
    picture.append(...guides, ...scales.map((scale, row) => axis(scale, y(row), x, wide)), ...dots);
    const put = (guide, place, from, to) => {
      for (const [name, value] of Object.entries({ x1: place, x2: place, y1: from, y2: to })) guide.setAttribute(name, value);
    };
    const move = (circle, cx, cy) => { circle.setAttribute("cx", cx); circle.setAttribute("cy", cy); };
    const mark = (each, total) => {
      each.forEach((value, i) => {
        put(guides[i], x(value), y(0), y(i + 1));
        move(dots[i], x(value), y(i + 1));
      });
      const place = x(total, true);
      put(guides[rows], place, y(rows + 1), y(rows + 2));
      move(dots[rows], place, y(rows + 1));
      move(dots[rows + 1], place, y(rows + 2));
    };
    return { picture, mark };
  }

  /** One axis: title, line, ticks; a label that would touch its neighbour changes the side or is left out. */
  function axis({ title, ticks, side = 1, stretch }, y, x, wide) {
    const group = svg("g", { class: "radbook-axis" });
    const places = ticks.map(([, place]) => x(place, stretch));
    group.append(wide
      ? svg("text", { x: 4, y: y + 4, class: "radbook-title" }, title)
      : svg("text", { x: 4, y: y - 30, class: "radbook-title" }, title));
    group.append(svg("line", { x1: Math.min(...places), x2: Math.max(...places), y1: y, y2: y }));
    const reached = { "1": -Infinity, "-1": -Infinity };
    const ordered = ticks.map(([label, place]) => [label, x(place, stretch)]).sort((a, b) => a[1] - b[1]);
    for (const [label, place] of ordered) {
      const half = 3.6 * label.length + 3;
      const way = [side, -side].find((candidate) => place - half > reached[candidate]);
      group.append(svg("line", { x1: place, x2: place, y1: y, y2: y + 6 * (way ?? side) }));
      if (way === undefined) continue;
      reached[way] = place + half;
      group.append(svg("text", { x: place, y: way > 0 ? y + 19 : y - 10, "text-anchor": "middle" }, label));
    }
    return group;
  }
});

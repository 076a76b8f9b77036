// Curves whose values can be read: beside the pointer stand the height of each curve, in its colour, and the place.
document.addEventListener("DOMContentLoaded", () => {
  for (const frame of document.querySelectorAll(".radbook-figure[data-axes]")) {
    const axes = JSON.parse(frame.dataset.axes).map(([left, top, width, height, ...limits]) =>
      ({ left, top, width, height, limits }));
    const curves = [...frame.querySelectorAll(".radbook-whole .radbook-curve path")].map((path) => ({
      colour: path.style.stroke,
      points: [...path.getAttribute("d").matchAll(/(-?[\d.]+) (-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]),
    }));
    const values = document.createElement("div");
    values.className = "radbook-values";
    values.hidden = true;
    frame.append(values);

    frame.addEventListener("pointerleave", () => { values.hidden = true; });
    frame.addEventListener("pointermove", (event) => {
      const drawing = event.target.closest("svg");
      const place = drawing && new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
      const axis = place && axes.find((one) => inside(one, place.x, place.y));
      values.hidden = !axis;
      if (!axis) return;
      const [low, high, bottom, top] = axis.limits;
      const data = (y) => bottom + (axis.top + axis.height - y) / axis.height * (top - bottom);
      // A curve begins on its own axes; where it is cut off it may run on across others.
      const lines = curves.filter(({ points }) => inside(axis, ...points[0])).flatMap(({ colour, points }) => {
        const y = heightAt(points, place.x);
        return y === null ? [] : [line(colour, data(y))];
      });
      values.replaceChildren(line("transparent", low + (place.x - axis.left) / axis.width * (high - low)), ...lines);
      const box = frame.getBoundingClientRect();
      const right = event.clientX - box.left > box.width - 110;
      values.style.left = `${event.clientX - box.left + (right ? -90 : 14)}px`;
      values.style.top = `${Math.max(0, event.clientY - box.top - 14)}px`;
    });
  }

  function inside({ left, top, width, height }, x, y) {
    return x >= left - 0.5 && x <= left + width + 0.5 && y >= top - 0.5 && y <= top + height + 0.5;
  }

  /** Between neighbouring points a curve is straight; of a step the upper end. */
  function heightAt(points, x) {
    const ordered = points[0][0] <= points.at(-1)[0] ? points : points.toReversed();
    if (x < ordered[0][0] || x > ordered.at(-1)[0]) return null;
    const next = ordered.findIndex(([at]) => at > x);
    const [[x0, y0], [x1, y1]] = next < 0 ? [ordered.at(-1), ordered.at(-1)] : [ordered[next - 1], ordered[next]];
    return x1 === x0 ? y1 : y0 + (y1 - y0) * (x - x0) / (x1 - x0);
  }

  function line(colour, value) {
    const row = document.createElement("div"), mark = document.createElement("i");
    mark.style.background = colour;
    row.append(mark, value.toFixed(2));
    return row;
  }
});

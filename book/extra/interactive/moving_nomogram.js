"use strict";

// The landing page's patient: goes once along the longest axis of the nomogram, then follows the pointer.
radbook.start("moving-app", (root, data) => {
  const dots = [...root.querySelectorAll(".radbook-marker")];
  const answer = root.querySelector(".radbook-answer-in");
  const x = (points, widest) => data.left + data.width * Math.min(Math.max(points / widest, 0), 1);

  function show(points) {
    const total = points + data.others;
    const risk = 1 / (1 + Math.exp(-(data.zero_points + total / data.points_per_unit)));
    dots[data.row].setAttribute("cx", x(points, 100));
    dots.at(-1).setAttribute("cx", x(total, data.widest));
    answer.textContent = data.answer.replace("{points}", total.toFixed(0)).replace("{risk}", risk.toFixed(2));
  }

  const seconds = 6;
  let following = matchMedia("(prefers-reduced-motion: reduce)").matches, began;
  function step(now) {
    began ??= now;
    const done = (now - began) / 1000 / seconds;
    if (following || done > 1) return;
    // Up, down, and back to where it stood.
    const wave = Math.sin(2 * Math.PI * done);
    show(data.start + wave * (wave > 0 ? data.reach - data.start : data.start));
    requestAnimationFrame(step);
  }
  requestAnimationFrame(step);

  (root.closest(".sd-card") ?? root).addEventListener("pointermove", (event) => {
    const box = root.querySelector("svg").getBoundingClientRect();
    following = true;
    const share = ((event.clientX - box.left) / box.width * 360 - data.left) / data.width;
    show(Math.min(Math.max(share, 0), 1) * data.reach);
  });
});

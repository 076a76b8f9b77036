"use strict";

radbook.start("volume-app", async (root, data) => {
  const { html } = radbook;
  if (!document.createElement("canvas").getContext("webgl2")) {
    root.append(html("p", {}, "This browser offers no WebGL 2, which the viewer needs: only the picture is shown."));
    throw new Error("no WebGL 2");
  }
  const { Niivue, NVImage, MULTIPLANAR_TYPE, SLICE_TYPE, SHOW_RENDER } = niivue;
  const canvas = html("canvas", { tabindex: "0", role: "img", "aria-label": "CT with coloured regions; move with the sliders" });
  const frame = html("div", { class: "radbook-volume" }, canvas);
  const answer = html("output", { class: "radbook-answer", "aria-live": "polite", id: "volume-answer" });
  const controls = html("div", { class: "radbook-controls" });
  frame.append(legend());
  root.append(controls, frame, answer);

  const viewer = new Niivue({
    backColor: [0, 0, 0, 1], crosshairColor: [1, 1, 1, 0.7], fontColor: [1, 1, 1, 1],
    crosshairWidth: 0.3, fontMinPx: 16, multiplanarLayout: MULTIPLANAR_TYPE.GRID, isRadiologicalConvention: true, sagittalNoseLeft: true, multiplanarShowRender: SHOW_RENDER.NEVER,
    isNearestInterpolation: true, dragAndDropEnabled: false, scrollRequiresFocus: true, multiplanarPadPixels: 4,
    loadingText: "", logLevel: "error", show3Dcrosshair: true,
  });
  await viewer.attachToCanvas(canvas);
  const [ct, regions] = await Promise.all(["ct", "layers"].map((name) =>
    NVImage.loadFromBase64({ base64: radbookVolumes[name].split(",")[1], name: `${name}.nii.gz` })));
  regions.setColormapLabel(labelColours());
  viewer.addVolume(ct);
  viewer.addVolume(regions);
  viewer.onLocationChange = ({ vox, values }) => tell(vox, values);

  const size = ct.dimsRAS.slice(1, 4);
  const vox = data.centre.slice();
  const goTo = (axis, value) => {
    vox[axis] = Math.round(value);
    viewer.scene.crosshairPos = viewer.vox2frac(vox);
    viewer.drawScene();
    viewer.createOnLocationChange();
  };
  const along = ["Left to right (mm)", "Back to front (mm)", "Feet to head (mm)"].map((label, axis) =>
    radbook.slider(`volume-axis-${axis}`, label, { min: 0, max: size[axis] - 1, step: 1 }, (value) => goTo(axis, value)));
  const turn = [["Turn", "azimuth", 0, 360, 200], ["Tilt", "elevation", -90, 90, 15]].map(([label, name, min, max, start]) => {
    const field = radbook.slider(`volume-${name}`, `${label} (degrees)`, { min, max, step: 5 }, (value) => { angles[name] = value; render(); });
    field.show(start);
    return { ...field, name, start };
  });
  const angles = Object.fromEntries(turn.map(({ name, start }) => [name, start]));
  const strength = radbook.slider("volume-opacity", "Colour of the regions (%)", { min: 0, max: 100, step: 5 }, (value) => {
    strength.show(value);
    viewer.setOpacity(1, value / 100);
  });
  const view = radbook.choice("volume-view", "View", [["planes", "Three planes"], ["turn", "Turn in space"]], show);
  const contrast = radbook.choice("volume-window", "Window", data.windows.map(({ title }, i) => [String(i), title]), window);
  controls.append(view.row, contrast.row, ...along.map(({ row }) => row), ...turn.map(({ row }) => row), strength.row);

  strength.show(60);
  viewer.setOpacity(1, 0.6);
  show("planes");
  goTo(0, vox[0]);

  function show(name) {
    const turning = name === "turn";
    frame.classList.toggle("radbook-planes", !turning);
    for (const { row } of along) row.hidden = turning;
    for (const { row } of turn) row.hidden = !turning;
    contrast.row.hidden = turning;
    viewer.setSliceType(turning ? SLICE_TYPE.RENDER : SLICE_TYPE.MULTIPLANAR);
    if (turning) {
      setWindow(data.bone);
      render();
    } else {
      window(contrast.select.value);
    }
  }

  function render() {
    for (const { name, show: display } of turn) display(angles[name]);
    viewer.setRenderAzimuthElevation(angles.azimuth, angles.elevation);
  }

  function window(index) { setWindow(data.windows[Number(index)].hu); }

  function setWindow([low, high]) {
    ct.cal_min = low;
    ct.cal_max = high;
    viewer.updateGLVolume();
  }

  function tell(place, values) {
    place.forEach((value, axis) => { vox[axis] = value; along[axis].show(value); });
    const [hu, label] = values.map(({ value }) => Math.round(value));
    const region = data.labels.find(({ value }) => value === label);
    answer.textContent = radbook.say(`${hu} HU, ${region ? region.name : "outside the regions"}`);
    answer.dataset.hu = hu;
    answer.dataset.label = label;
  }

  function labelColours() {
    const table = { R: [0], G: [0], B: [0], A: [0], I: [0], labels: [""] };
    for (const { value, name, colour } of data.labels) {
      const [red, green, blue] = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
      table.R.push(red); table.G.push(green); table.B.push(blue); table.A.push(255);
      table.I.push(value); table.labels.push(name);
    }
    return table;
  }

  function legend() {
    return html("ul", { class: "radbook-legend" }, ...data.labels.map(({ name, colour }) =>
      html("li", {}, html("span", { class: "radbook-swatch", style: `background: ${colour}` }), name)));
  }
});

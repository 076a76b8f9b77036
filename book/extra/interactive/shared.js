"use strict";

// What the three interactive pages share: making elements, reading the page's data, starting, words.
const radbook = {
  /** A text in the language of the page: looked up in what the page brings along, whole or by pattern. */
  say(text) {
    const words = globalThis.radbookWords ?? { exact: {}, patterns: [] };
    if (Object.hasOwn(words.exact, text)) return words.exact[text];
    for (const [pattern, chinese] of words.patterns) {
      const found = text.match(new RegExp(`^(?:${pattern})$`));
      const said = (name) => (/^(n|name)\d*$/.test(name) ? found.groups[name] : radbook.say(found.groups[name]));
      if (found) return chinese.replace(/\{(\w+)\}/g, (_, name) => said(name));
    }
    return text;
  },

  /** An HTML element; attributes that are functions become event listeners. */
  html(tag, attributes = {}, ...children) {
    return radbook.fill(document.createElement(tag), attributes, children);
  },

  /** An SVG element. */
  svg(tag, attributes = {}, ...children) {
    return radbook.fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  },

  fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else element.setAttribute(name, name === "aria-label" ? radbook.say(value) : value);
    }
    element.append(...children.map((child) => (typeof child === "string" ? radbook.say(child) : child)));
    return element;
  },

  /** A labelled slider with a number field beside it; both call `change` with a number. */
  slider(id, label, { min, max, step }, change) {
    const common = { min, max, autocomplete: "off" };
    let last = min;
    const range = radbook.html("input", {
      ...common, type: "range", id: `${id}-range`, step, "aria-label": label,
      input: () => change(range.valueAsNumber),
    });
    const number = radbook.html("input", {
      ...common, type: "number", id, step: "any",
      input: () => { if (Number.isFinite(number.valueAsNumber) && number.checkValidity()) change(number.valueAsNumber); },
      // What is left empty or lies beyond the limits gives way to the value in use.
      blur: () => { number.value = last; },
    });
    const show = (value) => {
      range.value = value;
      last = Number(value.toPrecision(12));
      // Not while somebody types: "0." would become "0".
      if (document.activeElement !== number) number.value = last;
    };
    const row = radbook.html("div", { class: "radbook-field" }, radbook.html("label", { for: id }, label), range, number);
    return { row, show };
  },

  /** A labelled drop-down list of [value, text] pairs. */
  choice(id, label, options, change) {
    const select = radbook.html(
      "select", { id, autocomplete: "off", change: () => change(select.value) },
      ...options.map(([value, text]) => radbook.html("option", { value }, text)),
    );
    const row = radbook.html("div", { class: "radbook-field" }, radbook.html("label", { for: id }, label), select);
    return { row, select };
  },

  /** Call `draw` with the width of `element` (px), now and whenever it changes. */
  onWidth(element, draw) {
    let drawn = 0;
    new ResizeObserver(() => {
      const width = Math.floor(element.clientWidth);
      if (width > 0 && width !== drawn) draw((drawn = width));
    }).observe(element);
  },

  /** Build the page's application; the static picture gives way only when that has worked. */
  async start(id, build) {
    const root = document.getElementById(id);
    await build(root, JSON.parse(document.getElementById(`${id}-data`).textContent));
    for (const picture of document.querySelectorAll(".radbook-static")) picture.classList.add("radbook-replaced");
    root.dataset.ready = "yes";
  },
};

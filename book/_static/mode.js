// To read, code and what one learns are folded; to teach, they are open. The choice is remembered.
window.addEventListener("load", () => {
  const chinese = document.documentElement.lang.toLowerCase().startsWith("zh");
  const words = chinese ? ["教学模式", "展开代码和学习目标"] : ["Teaching mode", "Open code and objectives"];
  const bar = document.querySelector(".article-header-buttons");
  const code = [...document.querySelectorAll("div.cell details.hide")];
  const boxes = [...document.querySelectorAll(".admonition.dropdown > .admonition-title")];
  const key = "radbook-mode";
  let teaching = false;
  // A browser may forbid pages from the disk to remember.
  try { teaching = localStorage.getItem(key) === "teaching"; } catch { /* then each page begins with reading */ }

  const show = () => {
    code.forEach((cell) => { cell.open = teaching; });
    boxes.forEach((title) => {
      if (title.parentElement.classList.contains("toggle-hidden") === teaching) title.click();
    });
    document.documentElement.dataset.radbookMode = teaching ? "teaching" : "reading";
  };

  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-sm radbook-mode";
  button.textContent = words[0];
  button.title = words[1];
  const press = () => button.setAttribute("aria-pressed", String(teaching));
  button.addEventListener("click", () => {
    teaching = !teaching;
    try { localStorage.setItem(key, teaching ? "teaching" : "reading"); } catch { /* as above */ }
    press();
    show();
  });
  press();
  bar?.prepend(button);
  if (teaching) show();
});

// On paper no table has pages to turn: all its rows are shown, and no controls (print.css).
window.addEventListener("beforeprint", () => {
  document.querySelectorAll(".dt-length select").forEach((length) => {
    length.add(new Option("all", "-1"));
    length.value = "-1";
    length.dispatchEvent(new Event("change", { bubbles: true }));
  });
});

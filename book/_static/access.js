// What Sphinx and the notebooks leave out for keyboards and screen readers.
document.addEventListener("DOMContentLoaded", () => {
  // The list of references says that it is a list, its entries do not say that they belong to it.
  document.querySelectorAll('.citation-list[role="list"] > *').forEach((entry) => entry.setAttribute("role", "listitem"));
  // A box of a notebook's output that scrolls can be reached by the keyboard.
  document.querySelectorAll('.cell_output [style*="overflow"]').forEach((box) => {
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", "Table to scroll through");
  });
});

// The switch of languages leads to the same place of the page: the heading under which somebody reads.
document.addEventListener("DOMContentLoaded", () => {
  const place = () => {
    // Where the browser puts a heading that a link leads to: below the page's own head.
    const head = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
    const named = [...document.querySelectorAll("article section[id]")];
    const above = named.filter((part) => part.getBoundingClientRect().top < head + 40);
    return scrollY > 0 && above.length ? `#${above.at(-1).id}` : location.hash;
  };
  for (const link of document.querySelectorAll("a.radbook-language")) {
    link.addEventListener("click", () => { link.hash = place(); });
  }
});

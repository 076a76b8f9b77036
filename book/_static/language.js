// The switch of languages leads to the same place of the page: the heading above what is being read.
document.addEventListener("DOMContentLoaded", () => {
  const links = document.querySelectorAll("a.radbook-language");
  const place = () => {
    const named = [...document.querySelectorAll("article section[id]")];
    const above = named.filter((part) => part.getBoundingClientRect().top < 80);
    return scrollY > 0 && above.length ? `#${above.at(-1).id}` : location.hash;
  };
  links.forEach((link) =>
    link.addEventListener("click", () => {
      link.hash = place();
    }),
  );
});

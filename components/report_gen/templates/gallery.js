"use strict";
// The gallery: filters, order, and one film at a time with its heat, boxes and feature maps.
const byId = name => document.getElementById(name);
const films = [...document.querySelectorAll("#films > li")];
const pictureOf = new Map();
document.querySelectorAll("#films img[data-name]").forEach(one => pictureOf.set(one.dataset.name, one.src));

// A picture is in the page once; other places take it from the gallery.
document.querySelectorAll("img[data-film]").forEach(one => {
  const source = pictureOf.get(one.dataset.film);
  if (source) one.src = source; else one.remove();
});

if (films.length) {
  const list = byId("films"), dialog = byId("film-dialog");
  let at = null;
  const shownFilms = () => [...list.children].filter(one => !one.hidden);

  const choose = () => {
    const wrong = byId("only-wrong").checked, slice = byId("by-slice").value;
    const order = byId("by-certainty").value;
    for (const one of films) {
      one.hidden = (wrong && one.dataset.wrong !== "1") ||
        (slice !== "" && !JSON.parse(one.dataset.slices).includes(slice));
    }
    const key = one => order === "" ? Number(one.dataset.place)
      : Number(one.dataset.certainty) * (order === "most" ? -1 : 1);
    list.append(...[...films].sort((one, other) => key(one) - key(other)));
    byId("gallery-count").textContent = `${shownFilms().length} of ${films.length} films`;
  };

  const show = film => {
    at = film;
    const content = film.querySelector("template").content.cloneNode(true);
    for (const place of content.querySelectorAll("[data-side]")) {
      const picture = film.querySelector(".film-picture > *").cloneNode(true);
      if (picture.dataset.name) picture.src = pictureOf.get(picture.dataset.name);
      place.prepend(picture);
    }
    byId("film-shown").replaceChildren(content);
    const shown = shownFilms();
    byId("film-place").textContent = `film ${shown.indexOf(film) + 1} of ${shown.length}`;
    if (!dialog.open) dialog.showModal();
  };
  const step = by => {
    const shown = shownFilms(), place = shown.indexOf(at) + by;
    if (place >= 0 && place < shown.length) show(shown[place]);
  };

  const side = () => {  // on the cards: the film, or the same under its heat where there is one
    for (const film of films) {
      const image = film.querySelector(".film-picture img");
      if (!image) continue;
      const heat = film.querySelector("template").content.querySelector("img.heat");
      image.src = byId("shown-side").value === "heat" && heat ? heat.src : pictureOf.get(image.dataset.name);
    }
  };

  for (const film of films) film.querySelector("button").addEventListener("click", () => show(film));
  for (const name of ["only-wrong", "by-slice", "by-certainty"]) byId(name).addEventListener("change", choose);
  byId("shown-side").addEventListener("change", side);
  byId("film-before").addEventListener("click", () => step(-1));
  byId("film-after").addEventListener("click", () => step(1));
  byId("film-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", event => {
    if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
  });
  dialog.addEventListener("close", () => at.querySelector("button").focus());
  choose();
}

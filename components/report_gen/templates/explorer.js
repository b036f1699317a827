// The explorer: what another operating point would give, here and at another prevalence.
if (byId("scores")) {
  const scores = JSON.parse(byId("scores").textContent);
  const threshold = byId("threshold"), prevalence = byId("prevalence");
  const ratio = (part, whole) => whole > 0 ? part / whole : NaN;
  // Beside the sliders, whose steps are coarser than the model's own threshold.
  const chosen = {threshold: scores.threshold, prevalence: scores.prevalence};

  const put = (name, value, digits) => {
    const cell = byId(`explored-${name}`);
    cell.dataset.value = value;
    cell.textContent = Number.isNaN(value) ? "-" : value.toFixed(digits);
  };
  const explore = () => {
    const from = chosen.threshold, share = chosen.prevalence;
    const count = {tp: 0, fp: 0, tn: 0, fn: 0};
    let changed = 0;
    scores.probabilities.forEach((probability, film) => {
      const called = probability >= from, ill = scores.labels[film] === 1;
      count[called ? (ill ? "tp" : "fp") : (ill ? "fn" : "tn")] += 1;
      changed += called !== (probability >= scores.threshold);
    });
    const sensitivity = ratio(count.tp, count.tp + count.fn);
    const specificity = ratio(count.tn, count.tn + count.fp);
    put("sensitivity", sensitivity, 3);
    put("specificity", specificity, 3);
    const found = sensitivity * share, alarms = (1 - specificity) * (1 - share);
    const cleared = specificity * (1 - share), missed = (1 - sensitivity) * share;
    put("ppv", ratio(found, found + alarms), 3);
    put("npv", ratio(cleared, cleared + missed), 3);
    for (const [name, value] of Object.entries(count)) put(name, value, 0);
    byId("threshold-shown").textContent = from.toFixed(3);
    byId("prevalence-shown").textContent = share.toFixed(3);
    byId("explored-changes").textContent = changed === 0
      ? "No film changes sides against the model's own operating point."
      : `${changed} test films change sides against the model's own operating point.`;
    showChanged(from);
  };
  const showChanged = from => {
    const changed = films.filter(film => {
      if (film.dataset.probability === "") return false;
      const probability = Number(film.dataset.probability);
      return (probability >= from) !== (probability >= scores.threshold);
    });
    for (const film of films) {
      film.querySelector("button").classList.toggle("changed", changed.includes(film));
    }
    byId("changed-films").replaceChildren(...changed.map(film => {
      const item = document.createElement("li"), button = film.querySelector("button").cloneNode(true);
      button.classList.remove("changed");
      button.addEventListener("click", () => film.querySelector("button").click());
      item.append(button);
      return item;
    }));
  };

  for (const slider of [threshold, prevalence]) {
    slider.addEventListener("input", () => {
      chosen[slider.id] = Number(slider.value);
      explore();
    });
  }
  byId("explorer-reset").addEventListener("click", () => {
    for (const slider of [threshold, prevalence]) {
      chosen[slider.id] = scores[slider.id];
      slider.value = scores[slider.id];
    }
    explore();
  });
  explore();
}

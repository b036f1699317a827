"use strict";
// Sorts the table by the column whose title is chosen, the other way round the second time.
document.querySelectorAll("table.sortable").forEach(table => {
  const titles = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const key = (row, column) => row.cells[column].dataset.sort;
  const isNumber = text => text !== "" && Number.isFinite(Number(text));
  const isMissing = text => text === "" || text === "nan";

  titles.forEach((title, column) => title.querySelector("button").addEventListener("click", () => {
    const sign = title.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    titles.forEach(one => one.setAttribute("aria-sort", "none"));
    title.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
    const order = (one, other) => {
      const [a, b] = [key(one, column), key(other, column)];
      if (isMissing(a) || isMissing(b)) return isMissing(a) - isMissing(b);  // always last
      return sign * (isNumber(a) && isNumber(b) ? a - b : a.localeCompare(b));
    };
    body.append(...[...body.rows].sort(order));
  }));
});

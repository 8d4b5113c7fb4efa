// Draws the table under the plot. It can be sorted by name or by a number, and filtered by a text.

const COLUMNS = () => unique([state.x, state.y, ...DATA.columns]);

function sorted(shown) {
  const value = (point) => (state.sort === "title" ? point.title : figure(point, state.sort === "x" ? state.x : state.sort));
  const rows = [...shown].sort((a, b) => {
    const [one, other] = [value(a), value(b)];
    if (one === null || other === null) { return (one === null) - (other === null); }
    return typeof one === "string" ? one.localeCompare(other) : one - other;
  });
  return state.down ? rows.reverse() : rows;
}

function headCell(key, title) {
  const current = state.sort === key || (state.sort === "x" && key === state.x);
  const button = element("button", { type: "button", textContent: title + (current ? (state.down ? " ▼" : " ▲") : "") });
  button.addEventListener("click", () => { state.down = current && !state.down; state.sort = key; update(); });
  return element("th", { scope: "col", "aria-sort": current ? (state.down ? "descending" : "ascending") : "none" }, [button]);
}

function drawTable(shown) {
  const names = COLUMNS();
  const best = new Set(frontierOf(shown).map((point) => point.format));
  const heads = names.map((name) => headCell(name, axis(name).title + (axis(name).unit ? `, ${axis(name).unit}` : "")));
  const head = element("tr", {}, [headCell("title", "Format"), element("th", { scope: "col", textContent: "Frontier" }), ...heads]);
  $("table").tHead.replaceChildren(head);
  const rows = sorted(shown).filter((point) => `${point.title} ${point.format}`.toLowerCase().includes(state.search));
  $("table").tBodies[0].replaceChildren(...rows.map((point) => {
    const row = element("tr", { tabIndex: 0, "aria-selected": String(point.hardware.id === state.chosen) }, [
      element("td", { textContent: point.title }), element("td", { className: "text", textContent: best.has(point.format) ? "yes" : "" }),
      ...names.map((name) => element("td", { textContent: text(figure(point, name), name) }))]);
    row.addEventListener("click", () => choose(point.hardware.id));
    row.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(point.hardware.id); } });
    return row;
  }));
}

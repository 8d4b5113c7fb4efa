// Builds the controls, and draws everything again when one of them changes.

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, title]) => element("option", { value, textContent: title, selected: value === chosen })));
}

function update() {
  const shown = points();
  drawPlot(shown);
  drawTable(shown);
  const options = shown.map((point) => [point.format, point.title]);
  for (const [index, id] of ["left", "right"].entries()) {
    const kept = options.some(([name]) => name === $(id).value) ? $(id).value : (options[index] || options[0] || [""])[0];
    fill($(id), options, kept);
  }
  drawComparison(shown);
  drawDetail(shown.find((point) => point.hardware.id === state.chosen));
}

function choose(id) {
  state.chosen = id;
  update();
  $("detail").focus();
}

// Closes the details, and gives the keyboard focus back to the row that opened them.
function leave() {
  const index = [...$("table").tBodies[0].rows].findIndex((row) => row.getAttribute("aria-selected") === "true");
  state.chosen = null;
  update();
  const row = $("table").tBodies[0].rows[index];
  if (row) { row.focus(); }
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").textContent = name === "dark" ? "Light" : "Dark";  // the theme that a click chooses
}

// Name and title of each axis for which a record has a number. `of` is "hardware" or "accuracy",
// `kind` is "cost" or "quality".
function axesFor(of, kind) {
  const records = DATA[of];
  return DATA.axes.filter((each) => each.of === of && each.kind === kind && records.some((record) => record.figures[each.name] != null))
    .map((each) => [each.name, each.title]);
}

function buildControls() {
  const costs = [...axesFor("hardware", "cost"), ...axesFor("accuracy", "cost")];
  const gains = axesFor("accuracy", "quality");
  state.y = (gains[0] || costs[1] || costs[0])[0];
  fill($("x"), costs, state.x);
  fill($("y"), gains.length ? gains : costs, state.y);
  const widths = unique(Object.values(DATA.formats).map((format) => format.bits)).sort((a, b) => a - b);
  // By default, wide formats are not shown: they would squeeze those of four bits into a corner.
  const usual = widths.filter((width) => width <= 5).pop() || widths[widths.length - 1];
  fill($("bits"), widths.map((width) => [String(width), String(width)]), String(usual));
  for (const filter of FILTERS) {
    const options = optionsOf(filter);
    state.filters[filter.key] = options[0];
    if (options.length < 2) { continue; }
    const select = element("select", { id: `filter-${filter.key}` });
    fill(select, options.map((value) => [value, value]), options[0]);
    select.addEventListener("change", () => { state.filters[filter.key] = select.value; update(); });
    $("filters").append(element("label", {}, [`${filter.title} `, select]));
  }
  $("filters").hidden = !$("filters").querySelector("select");
  for (const id of ["x", "y"]) { $(id).addEventListener("change", () => { state[id] = $(id).value; update(); }); }
  for (const id of ["xlog", "ylog", "frontier", "bits", "left", "right"]) { $(id).addEventListener("change", update); }
  $("search").addEventListener("input", () => { state.search = $("search").value.toLowerCase(); update(); });
  $("theme").addEventListener("click", () => { setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"); update(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && state.chosen) { leave(); } });
  $("controls").addEventListener("submit", (event) => event.preventDefault());
}

async function start() {
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  $("summary").textContent = DATA.summary;
  $("versions").textContent = DATA.versions;
  buildControls();
  await loadPlotly();
  update();
  $("plot").on("plotly_click", (event) => { if (event.points[0].customdata) { choose(event.points[0].customdata); } });
  document.body.dataset.ready = "yes";
}

start();

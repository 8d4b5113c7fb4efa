// Draws the details of one point, and a comparison of two formats. The grade of a number is
// "measured" (by halfbyte) or "published" (by others).

// A picture of a line with a dot at each value of the format.
function numberLine(format) {
  const values = format.values;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const place = (value) => 14 + (572 * (value - low)) / (high - low || 1);
  const dots = unique(values).sort((a, b) => a - b);
  const size = innerWidth < 640 ? 17 : 10;  // of the letters: larger in a narrow window, since the picture is shrunk there
  let end = -Infinity;
  const marks = dots.map((value) => {
    const [x, digits] = [place(value), String(Number(value.toPrecision(4)))];
    const half = 0.31 * size * digits.length;
    const label = x - half > end ? `<text x="${x.toFixed(1)}" y="48" font-size="${size}">${digits}</text>` : "";
    if (label) { end = x + half + 4; }
    return `<circle cx="${x.toFixed(1)}" cy="22" r="4"/>${label}`;
  });
  const holder = element("div");
  holder.innerHTML = `<svg class="numbers" viewBox="0 0 600 56" role="img" aria-label="values on a line"><line x1="8" x2="592" y1="22" y2="22"/>${marks.join("")}</svg>`;
  return holder.firstChild;
}

// A table with a row for each title, text and grade.
function rowsOf(pairs) {
  const rows = pairs.map(([name, value, grade]) => element("tr", {}, [element("th", { scope: "row", textContent: name }),
    element("td", { textContent: value }), element("td", { className: "grade", textContent: grade || "" })]));
  return element("div", { className: "scroll" }, [element("table", {}, [element("tbody", {}, rows)])]);
}

function valuesOf(format) {
  return format.values.map((value) => Number(value.toPrecision(5))).join(", ");
}

// Title, text and grade of each number that a record has; `of` is "hardware" or "accuracy".
function figuresOf(record, of) {
  return DATA.axes.filter((each) => each.of === of && record.figures[each.name] !== undefined)
    .map((each) => [each.title + (each.unit ? `, ${each.unit}` : ""), text(record.figures[each.name], each.name), record.grade]);
}

function commandOf(record) { return element("p", {}, ["To repeat it: ", element("code", { textContent: record.command })]); }

function drawDetail(point) {
  const holder = $("detail");
  holder.hidden = !point;
  if (!point) { return; }
  const { hardware, accuracy } = point;
  const format = DATA.formats[point.format];
  const parts = [element("h2", { textContent: `${point.title} (${point.format})` })];
  if (format) { parts.push(numberLine(format), element("p", { textContent: `Values in code order: ${valuesOf(format)}` })); }
  parts.push(element("h3", { textContent: "Hardware" }), rowsOf([...hardware.facts, ...figuresOf(hardware, "hardware")]), commandOf(hardware));
  if (hardware.verilog) { parts.push(saveButton(hardware)); }
  if (accuracy) { parts.push(element("h3", { textContent: "Accuracy" }), rowsOf([...accuracy.facts, ...figuresOf(accuracy, "accuracy")]), commandOf(accuracy)); }
  holder.replaceChildren(...parts);
}

function saveButton(hardware) {
  const button = element("button", { type: "button", id: "save", textContent: "Save the netlist as Verilog" });
  button.addEventListener("click", () => {
    const link = element("a", { href: URL.createObjectURL(new Blob([hardware.verilog], { type: "text/plain" })), download: `${hardware.file}.v` });
    link.click();
    URL.revokeObjectURL(link.href);
  });
  return element("p", {}, [button]);
}

function drawComparison(shown) {
  const sides = ["left", "right"].map((id) => shown.find((point) => point.format === $(id).value)).filter(Boolean);
  const columns = sides.map((point) => {
    const format = DATA.formats[point.format];
    const facts = [...figuresOf(point.hardware, "hardware"), ...(point.accuracy ? figuresOf(point.accuracy, "accuracy") : [])];
    return element("div", {}, [element("h3", { textContent: point.title }), ...(format ? [numberLine(format)] : []), rowsOf(facts)]);
  });
  $("comparison").replaceChildren(element("div", { className: "pair" }, columns));
}

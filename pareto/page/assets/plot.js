// Draws the plot of cost against accuracy with plotly.

// Unpacks the plotting library that the page carries as Base64 text.
async function loadPlotly() {
  const packed = Uint8Array.from(atob($("plotly").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = element("script", { textContent: await new Response(stream).text() });
  document.head.append(script);
}

function color(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

function axisLayout(name, logarithmic, upwards) {
  const each = axis(name);
  const unit = each.unit ? `, ${each.unit}` : "";
  // On the vertical axis, better values are higher up, even if less is better.
  return { autorange: upwards && each.better === "less" ? "reversed" : true, title: { text: `${each.title}${unit} (${each.better} is better)` }, type: logarithmic ? "log" : "linear",
    gridcolor: color("--line"), zeroline: false };
}

// Chooses for each label the side of its dot on which it covers the fewest other labels, dots and bars.
function labelPlaces(known, bars) {
  const scale = (values, logarithmic, size) => {
    const plain = values.map((value) => (logarithmic ? Math.log(Math.max(value, 1e-12)) : value));
    const [low, high] = [Math.min(...plain), Math.max(...plain)];
    return plain.map((value) => (size * (value - low)) / (high - low || 1));
  };
  const flip = axis(state.y).better === "less" ? 1 : -1;
  const xs = scale(known.map((point) => point.x), $("xlog").checked, 0.8 * $("plot").clientWidth);
  const ys = scale(known.map((point) => point.y), $("ylog").checked, 0.7 * $("plot").clientHeight).map((value) => flip * value);
  const taken = xs.map((x, index) => [x - 6, ys[index] - 6, x + 6, ys[index] + 6]);
  const values = known.map((point) => point.y);
  const perUnit = $("ylog").checked ? 0 : (0.7 * $("plot").clientHeight) / (Math.max(...values) - Math.min(...values) || 1);
  bars.forEach((bar, index) => {
    const ends = bar.map((end) => ys[index] + flip * perUnit * (end - values[index]));
    taken.push([xs[index] - 3, Math.min(...ends), xs[index] + 3, Math.max(...ends)]);
  });
  return known.map((point, index) => {
    const [x, y, half] = [xs[index], ys[index], 4 * point.title.length];
    const boxes = { "top right": [x + 5, y - 22, x + 5 + 2 * half, y - 6], "top left": [x - 5 - 2 * half, y - 22, x - 5, y - 6],
      "bottom right": [x + 5, y + 6, x + 5 + 2 * half, y + 22], "bottom left": [x - 5 - 2 * half, y + 6, x - 5, y + 22],
      "middle right": [x + 9, y - 8, x + 9 + 2 * half, y + 8], "middle left": [x - 9 - 2 * half, y - 8, x - 9, y + 8] };
    const cost = ([l, t, r, b]) => taken.filter(([l2, t2, r2, b2]) => l < r2 && l2 < r && t < b2 && t2 < b).length;
    const best = Object.keys(boxes).reduce((one, other) => (cost(boxes[other]) < cost(boxes[one]) ? other : one));
    taken.push(boxes[best]);
    return best;
  });
}

function drawPlot(shown) {
  const known = shown.filter((point) => point.x !== null && point.y !== null);
  const best = frontierOf(shown);
  const names = new Set(best.map((point) => point.format));
  const bars = known.map((point) => (point.accuracy && point.accuracy.intervals[state.y]) || [point.y, point.y]);
  const traces = [{
    x: known.map((point) => point.x), y: known.map((point) => point.y), text: known.map((point) => point.title),
    customdata: known.map((point) => point.hardware.id), mode: "markers+text", type: "scatter", textposition: labelPlaces(known, bars), cliponaxis: false,
    hovertemplate: "%{text}<br>%{x}, %{y}<extra></extra>", name: "formats",
    marker: { size: known.map((point) => (point.hardware.id === state.chosen ? 16 : 10)),
      color: known.map((point) => (names.has(point.format) ? color("--mark") : color("--quiet"))) },
    error_y: { type: "data", symmetric: false, thickness: 1, color: color("--quiet"),
      array: bars.map((bar, index) => bar[1] - known[index].y), arrayminus: bars.map((bar, index) => known[index].y - bar[0]) },
  }];
  if ($("frontier").checked && best.length) {
    // The last step of the staircase ends at the cost of the most costly point.
    const far = (axis(state.x).better === "less" ? Math.max : Math.min)(...known.map((point) => point.x));
    const steps = [...best, { x: far, y: best[best.length - 1].y }];
    traces.unshift({ x: steps.map((point) => point.x), y: steps.map((point) => point.y), mode: "lines", name: "frontier",
      line: { shape: "hv", color: color("--mark"), width: 1 }, hoverinfo: "skip" });
  }
  const layout = { paper_bgcolor: color("--back"), plot_bgcolor: color("--back"), font: { color: color("--text"), size: 13 },
    xaxis: axisLayout(state.x, $("xlog").checked, false), yaxis: axisLayout(state.y, $("ylog").checked, true),
    margin: { t: 20, r: 20 }, showlegend: false, hovermode: "closest" };
  Plotly.react("plot", traces, layout, { responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", modeBarButtonsToRemove: ["select2d", "lasso2d"] });
  const left = shown.filter((point) => !known.includes(point)).map((point) => point.title);
  $("note").textContent = `${known.length} formats drawn` + (left.length ? `; without a number for one of the axes: ${left.join(", ")}` : "");
}

"use strict";
// The state of the controls, and the points that the controls select.

const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const state = { x: "area_um2", y: null, filters: {}, sort: "x", down: false, search: "", chosen: null };

// Each filter keeps the records with one value of a field, among the hardware or the accuracy records.
const FILTERS = [
  { key: "unit", of: "hardware", title: "Unit" },
  { key: "technology", of: "hardware", title: "Technology" },
  { key: "clock", of: "hardware", title: "Clock" },
  { key: "scale", of: "hardware", title: "Scale format" },
  { key: "operand", of: "hardware", title: "Activations" },
  { key: "model", of: "accuracy", title: "Model" },
  { key: "recipe", of: "accuracy", title: "Recipe" },
];

const unique = (values) => [...new Set(values)];

function optionsOf(filter) {
  return unique(DATA[filter.of].map((record) => record.shown[filter.key]));
}

function fits(record, of) {
  return FILTERS.every((filter) => filter.of !== of || record.shown[filter.key] === state.filters[filter.key]);
}

// One point for each hardware record that passes the filters. Its accuracy record is null if none passes.
function points() {
  const bits = (record) => (DATA.formats[record.format] || { bits: 0 }).bits;
  const hardware = DATA.hardware.filter((record) => fits(record, "hardware") && bits(record) <= Number($("bits").value));
  const accuracy = new Map(DATA.accuracy.filter((record) => fits(record, "accuracy")).map((record) => [record.format, record]));
  return hardware.map((record) => {
    const found = accuracy.get(record.format) || null;
    return { format: record.format, title: titleOf(record.format), hardware: record, accuracy: found,
      x: figure({ hardware: record, accuracy: found }, state.x), y: figure({ hardware: record, accuracy: found }, state.y) };
  });
}

function axis(name) { return DATA.axes.find((each) => each.name === name); }

// The number of a point on an axis, by the axis's name; null if it is not known.
function figure(pair, name) {
  const record = pair[axis(name).of];
  const value = record ? record.figures[name] : null;
  return value === undefined ? null : value;
}

function titleOf(name) { return (DATA.formats[name] || { title: name }).title; }

// The points on the frontier, in order of cost: each has a better quality than all that cost less.
function frontierOf(shown) {
  const costs = axis(state.x).better === "less" ? 1 : -1;
  const gains = axis(state.y).better === "less" ? -1 : 1;
  const known = shown.filter((point) => point.x !== null && point.y !== null);
  known.sort((a, b) => costs * (a.x - b.x) || gains * (b.y - a.y));
  let best = -Infinity;
  return known.filter((point) => {
    const better = gains * point.y > best;
    if (better) { best = gains * point.y; }
    return better;
  });
}

// A number as text, with the decimals of its axis; a dash if it is not known.
function text(value, name) {
  if (value === null || value === undefined) { return "–"; }
  if (typeof value !== "number") { return String(value); }
  const digits = axis(name) ? axis(name).digits : 2;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

// A new HTML element with properties, attributes and children.
function element(tag, properties = {}, children = []) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role" || key === "scope") { made.setAttribute(key, value); } else { made[key] = value; }
  }
  made.append(...children);
  return made;
}

// A metric's course as a small SVG: no library, and nothing of a name or a value becomes markup.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 320, HEIGHT = 120, LEFT = 46, RIGHT = 10, TOP = 10, BOTTOM = 20;

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

export function number(value) {
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

// points: [{step, timestamp, value}], oldest first. Steps are the axis where they differ, else the time.
export function lineChart(points) {
  const finite = points.filter((point) => typeof point.value === "number");
  const stepped = new Set(finite.map((point) => point.step)).size > 1;
  const at = (point) => (stepped ? point.step : point.timestamp);
  const [x0, x1] = range(finite.map(at)), [y0, y1] = range(finite.map((point) => point.value));
  const x = (value) => LEFT + ((value - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM);
  const chart = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img" });
  for (const value of [y0, (y0 + y1) / 2, y1]) {
    chart.append(element("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: "grid" }));
    chart.append(element("text", { x: LEFT - 6, y: y(value) + 3, class: "tick", "text-anchor": "end" }, number(value)));
  }
  if (stepped) {
    chart.append(element("text", { x: LEFT, y: HEIGHT - 5, class: "tick" }, number(x0)));
    chart.append(element("text", { x: WIDTH - RIGHT, y: HEIGHT - 5, class: "tick", "text-anchor": "end" }, `step ${number(x1)}`));
  }
  const path = finite.map((point) => `${x(at(point)).toFixed(1)},${y(point.value).toFixed(1)}`).join(" ");
  chart.append(element("polyline", { points: path, class: "line" }));
  for (const point of finite.length <= 60 ? finite : finite.slice(-1)) {
    const dot = element("circle", { cx: x(at(point)), cy: y(point.value), r: 2.4, class: "dot" });
    dot.append(element("title", {}, `${stepped ? `step ${point.step}: ` : ""}${number(point.value)}`));
    chart.append(dot);
  }
  return chart;
}

function range(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
  if (!Number.isFinite(low)) return [0, 1];
  if (low === high) { const space = Math.abs(low) * 0.1 || 0.5; return [low - space, high + space]; }
  return [low, high];
}

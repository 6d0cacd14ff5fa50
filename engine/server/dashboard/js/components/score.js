// The health score: a gauge, its five parts, and how it went in the last 24 hours.

import { h, svg } from "../dom.js";
import { absolute } from "../time.js";
import { scoreTone } from "../words.js";

/** A half circle that fills with the score. */
export function gauge(score) {
  const tone = scoreTone(score);
  const arc = "M 14 70 A 56 56 0 0 1 126 70";
  return h(
    "div",
    { class: `gauge ${tone}`, role: "img", "aria-label": `Health score ${score} of 100` },
    svg(
      "svg",
      { viewBox: "0 0 140 82", "aria-hidden": "true" },
      svg("path", { d: arc, class: "gauge-ground", pathLength: 100 }),
      score > 0 &&
        svg("path", { d: arc, class: "gauge-value", pathLength: 100, "stroke-dasharray": `${score} 100` }),
    ),
    h(
      "div",
      { class: "gauge-text", "aria-hidden": "true" },
      h("strong", null, score),
      h("span", null, tone === "good" ? "healthy" : tone === "warn" ? "impaired" : "in trouble"),
    ),
  );
}

/** The five parts as bars. */
export function parts(scores) {
  return h(
    "ul",
    { class: "parts" },
    Object.entries(scores).map(([name, score]) =>
      h(
        "li",
        { class: scoreTone(score) },
        h("span", null, name),
        svg(
          "svg",
          { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
          svg("rect", { width: 100, height: 6, rx: 3, class: "part-ground" }),
          svg("rect", { width: score, height: 6, rx: 3, class: "part-value" }),
        ),
        h("strong", null, score),
      ),
    ),
  );
}

/** In the drawing's own units, so that its texts can be read on a phone as well. */
const WIDTH = { wide: 600, narrow: 340 };
const HEIGHT = 120;
const EDGE = { left: 30, right: 6, top: 8, bottom: 20 };

/** The trend: a line over time, with the bands of the gauge's colours behind it. `samples`: `{ at, score, lowest }`. */
export function trend(samples) {
  const width = innerWidth > 760 ? WIDTH.wide : WIDTH.narrow;
  const times = samples.map(({ at }) => Date.parse(at));
  const [from, to] = [times[0], times.at(-1)];
  const x = (at) => EDGE.left + ((at - from) / Math.max(1, to - from)) * (width - EDGE.left - EDGE.right);
  const y = (score) => EDGE.top + (1 - score / 100) * (HEIGHT - EDGE.top - EDGE.bottom);
  const points = samples.map(({ score }, index) => [x(times[index]), y(score)]);
  const line = points
    .map(([px, py], index) => `${index ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`)
    .join("");
  const area = `${line}L${points.at(-1)[0].toFixed(1)} ${y(0)}L${points[0][0].toFixed(1)} ${y(0)}Z`;
  const lows = samples.filter(({ score, lowest }) => lowest !== undefined && lowest < score);
  const lowest = samples.reduce((least, sample) =>
    (sample.lowest ?? sample.score) < (least.lowest ?? least.score) ? sample : least,
  );
  const hours = Math.round((to - from) / 3_600_000);
  const marks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = from + share * (to - from);
    const back = Math.round((to - at) / 3_600_000);
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
    return svg("text", { x: x(at), y: HEIGHT - 5, "text-anchor": anchor }, back === 0 ? "now" : `−${back} h`);
  });
  const label = `Overall score over ${hours} hours: now ${samples.at(-1).score}, lowest ${lowest.lowest ?? lowest.score} at ${absolute(Date.parse(lowest.at))}`;
  return svg(
    "svg",
    { class: "trend", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label },
    [0, 70, 90, 100].map((score) => [
      svg("line", { x1: EDGE.left, x2: width - EDGE.right, y1: y(score), y2: y(score), class: "trend-grid" }),
      score !== 90 && svg("text", { x: EDGE.left - 6, y: y(score) + 4, "text-anchor": "end" }, score),
    ]),
    svg("path", { d: area, class: "trend-area" }),
    svg("path", { d: line, class: "trend-line" }),
    lows.map((sample) =>
      svg("line", {
        x1: x(Date.parse(sample.at)),
        x2: x(Date.parse(sample.at)),
        y1: y(sample.score),
        y2: y(sample.lowest),
        class: "trend-low",
      }),
    ),
    svg("circle", { cx: points.at(-1)[0], cy: points.at(-1)[1], r: 3, class: "trend-now" }),
    marks,
  );
}

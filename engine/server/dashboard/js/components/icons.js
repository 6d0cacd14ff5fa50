// The few icons, drawn with strokes in the colour of the text beside them. They are decoration: the text says it all.

import { svg } from "../dom.js";

const PATHS = {
  overview: "M2.5 9.5a5.5 5.5 0 0 1 11 0M8 9.5l2.5-3M2.5 12.5h11",
  issues: "M8 2.2 14.2 13H1.8zM8 6.5v3M8 11.2v.1",
  remediations: "M8 13.5S2.5 10.3 2.5 6.2A2.9 2.9 0 0 1 8 4.9a2.9 2.9 0 0 1 5.5 1.3C13.5 10.3 8 13.5 8 13.5z",
  approvals: "M2.5 3.5h11v9h-11zM5.2 8l2 2 3.6-4",
  statistics: "M2.5 13.5h11M4.5 11V7.5M8 11V3.5M11.5 11V5.5",
  rules: "M4 2.5h5.5L12 5v8.5H4zM6 7h4M6 9.2h4M6 11.4h2.5",
  maintenance: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM6.5 6v4M9.5 6v4",
  playground: "M6.2 2.5v4L3 12.3c-.4.7.1 1.2.8 1.2h8.4c.7 0 1.2-.5.8-1.2L9.8 6.5v-4M5 2.5h6M4.8 9.5h6.4",
  stop: "M5.3 2h5.4L14 5.3v5.4L10.7 14H5.3L2 10.7V5.3zM5.5 8h5",
  play: "M5 3l8 5-8 5z",
  theme: "M8 2.5a5.5 5.5 0 1 0 5.5 5.5A4.3 4.3 0 0 1 8 2.5z",
  keys: "M1.8 4.5h12.4v7H1.8zM4 7h.1M6.7 7h.1M9.3 7h.1M12 7h.1M5 9.3h6",
  person: "M8 8a2.6 2.6 0 1 0 0-5.2A2.6 2.6 0 0 0 8 8zM3 13.5c.4-2.4 2.4-3.7 5-3.7s4.6 1.3 5 3.7",
  undo: "M3 6.5h6.5a3.5 3.5 0 0 1 0 7H6M3 6.5l3-3M3 6.5l3 3",
};

export function icon(name) {
  return svg(
    "svg",
    {
      viewBox: "0 0 16 16",
      fill: "none",
      stroke: "currentColor",
      "stroke-width": 1.5,
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
      "aria-hidden": "true",
    },
    svg("path", { d: PATHS[name] }),
  );
}

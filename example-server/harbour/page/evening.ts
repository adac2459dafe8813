/** The evening around the pier: sky, sun, hills, lighthouse, boats, sea. It is drawn once. */
import { svg } from "./dom.ts";

export const WIDTH = 1200;
export const HEIGHT = 600;
const HORIZON = 300;
const SUN = { x: 735, y: HORIZON + 6 };

export function evening(): SVGElement[] {
  return [colours(), sky(), hills(), lighthouse(), sea(), boats()];
}

function gradient(id: string, kind: "linear" | "radial", stops: readonly (readonly string[])[]) {
  const marks = stops.map(([offset = "0", colour = "#000", opacity = "1"]) =>
    svg("stop", { offset, "stop-color": colour, "stop-opacity": opacity }),
  );
  return kind === "linear"
    ? svg("linearGradient", { id, x2: 0, y2: 1 }, ...marks)
    : svg("radialGradient", { id }, ...marks);
}

function colours(): SVGElement {
  return svg(
    "defs",
    {},
    gradient("sky", "linear", [
      ["0", "#1b1a3c"],
      ["0.35", "#3a2c62"],
      ["0.62", "#86466f"],
      ["0.84", "#dd7a62"],
      ["1", "#ffc08a"],
    ]),
    gradient("sea", "linear", [
      ["0", "#d9826b"],
      ["0.12", "#94526f"],
      ["0.38", "#43356a"],
      ["0.75", "#20204a"],
      ["1", "#14152f"],
    ]),
    gradient("glow", "radial", [
      ["0", "#ffe2ae", "0.95"],
      ["0.3", "#ffc283", "0.5"],
      ["1", "#ff9d70", "0"],
    ]),
    gradient("lamp", "radial", [
      ["0", "#ffe0a3", "0.85"],
      ["1", "#ffb45e", "0"],
    ]),
    svg(
      "linearGradient",
      { id: "beam" },
      svg("stop", { offset: 0, "stop-color": "#fff0cd", "stop-opacity": 0.75 }),
      svg("stop", { offset: 1, "stop-color": "#fff0cd", "stop-opacity": 0 }),
    ),
  );
}

function sky(): SVGElement {
  const stars = Array.from({ length: 60 }, (_, index) => {
    // A sequence that spreads evenly and looks as if it did not.
    const x = (index * 0.618034 * WIDTH) % WIDTH;
    const y = ((index * 0.754878) % 1) ** 1.6 * 190;
    const opacity = (0.85 - y / 260) * (index % 3 === 0 ? 1 : 0.6);
    return svg("circle", { cx: x, cy: y, r: index % 5 === 0 ? 1.5 : 0.9, opacity });
  });
  const clouds = [
    "M150 236q40-16 90-8 30-20 82-6 60-8 96 14z",
    "M820 196q50-14 92-4 44-18 92 2 50-2 74 12-130 6-258-10z",
    "M430 172q40-10 82-2 36-8 66 6-76 6-148-4z",
  ].map((d) => svg("path", { d, fill: "#ffb48f", opacity: 0.22 }));
  const gulls = [
    "M560 130q8-9 15 0 7-9 15 0",
    "M612 112q6-7 11 0 5-7 11 0",
    "M536 100q5-6 9 0 4-6 9 0",
  ];
  return svg(
    "g",
    {},
    svg("rect", { width: WIDTH, height: HORIZON + 2, fill: "url(#sky)" }),
    svg("g", { fill: "#fff4e2" }, ...stars),
    svg("circle", { cx: SUN.x, cy: SUN.y, r: 240, fill: "url(#glow)" }),
    svg("circle", { cx: SUN.x, cy: SUN.y, r: 52, fill: "#ffe6b8" }),
    ...clouds,
    svg(
      "g",
      { class: "gulls", fill: "none", stroke: "#fbe4d4", "stroke-width": 1.8, opacity: 0.8 },
      ...gulls.map((d) => svg("path", { d, "stroke-linecap": "round" })),
    ),
  );
}

function hills(): SVGElement {
  return svg(
    "g",
    {},
    svg("path", {
      d: `M0 ${HORIZON}V262q60-30 130-18t120-14q70-10 130 24t140 30l60 16z`,
      fill: "#6d3f6c",
    }),
    svg("path", { d: `M1200 ${HORIZON}v-46q-80-24-150 0t-140 22q-50 10-110 24z`, fill: "#7a4569" }),
    svg("path", { d: `M0 ${HORIZON}v-20q90-18 180-4t150 24z`, fill: "#4a315f" }),
  );
}

function lighthouse(): SVGElement {
  return svg(
    "g",
    { transform: "translate(424 296)" },
    svg("path", { class: "beam", d: "M0-83l250-34v72z", fill: "url(#beam)" }),
    svg("path", { d: "M-42 6q8-16 24-16l36-2q22 2 30 18z", fill: "#3a2850" }),
    svg("path", { d: "M-9-8l4-64H5L9-8z", fill: "#f3dccb" }),
    svg("path", { d: "M-7.4-32h14.8l1 14H-8.4zM-5.6-60H5.6l.8 13H-6.4z", fill: "#c8574c" }),
    svg("path", { d: "M-8-74H8v4H-8z", fill: "#3a2850" }),
    svg("path", { d: "M-5-90H5v16H-5z", fill: "#ffe9b0" }),
    svg("path", { d: "M-7-90L0-99l7 9z", fill: "#3a2850" }),
  );
}

function sea(): SVGElement {
  const glitter = Array.from({ length: 15 }, (_, index) => {
    const y = HORIZON + 6 + index * (5 + index * 0.55);
    const half = 62 - index * 1.6 + ((index * 37) % 22);
    const x = SUN.x + (((index * 53) % 30) - 15);
    return svg("path", { d: `M${x - half} ${y}h${half * 2}` });
  });
  const ripples = Array.from({ length: 46 }, (_, index) => {
    const y = HORIZON + 14 + ((index * 0.618034) % 1) ** 1.4 * 280;
    const x = (index * 0.754878 * WIDTH) % WIDTH;
    const long = 18 + (y - HORIZON) * 0.24;
    return svg("path", { d: `M${x} ${y}q${long / 2} ${-2 - long / 24} ${long} 0` });
  });
  return svg(
    "g",
    { fill: "none", "stroke-linecap": "round" },
    svg("rect", { y: HORIZON, width: WIDTH, height: HEIGHT - HORIZON, fill: "url(#sea)" }),
    svg("g", { class: "glitter", stroke: "#ffd9a8", "stroke-width": 2.4 }, ...glitter),
    svg("g", { stroke: "#f3c6b8", "stroke-width": 1.2, opacity: 0.28 }, ...ripples),
  );
}

function boats(): SVGElement {
  const boat = (x: number, y: number, size: number): SVGElement =>
    svg(
      "g",
      { class: "boat" },
      svg(
        "g",
        { transform: `translate(${x} ${y}) scale(${size})` },
        svg("path", { d: "M-2-54V-8h-26zM2-50V-8h20z", fill: "#f6d3bd" }),
        svg("path", { d: "M-34-5h64l-10 12h-42z", fill: "#4b2b4d" }),
        svg("path", { d: "M-26 9h48", stroke: "#f3c6b8", "stroke-width": 1.6, opacity: 0.5 }),
      ),
    );
  return svg("g", {}, boat(560, 306, 0.52), boat(905, 316, 0.8));
}

/** Bars of numbers per class (Chart.js), with the numbers in words for who does not see them. */
import { h } from "./dom";

/** The library comes with the first chart: most visits draw none. */
async function library(): Promise<(typeof import("chart.js"))["Chart"]> {
  const { BarController, BarElement, CategoryScale, Chart, LinearScale, Tooltip } = await import("chart.js");
  Chart.register(BarController, BarElement, CategoryScale, LinearScale, Tooltip);
  return Chart;
}

export interface Bar {
  label: string;
  value: number;
  colour: string;
}

/** Height of a bar with its gap, CSS pixels. */
const BAR_PX = 22;

export function barChart(title: string, bars: readonly Bar[], spoken: string): HTMLElement {
  const text = bars.map(({ label, value }) => `${label}: ${value.toLocaleString(spoken)}`).join("; ");
  const canvas = h("canvas", { role: "img", "aria-label": `${title}. ${text}` });
  const box = h("div", { class: "chart" }, canvas);
  box.style.height = `${bars.length * BAR_PX + 34}px`;
  // The chart measures the box it is in, which must be on the page first. Without the library the words and the table stay.
  void library().then((BarChart) => {
    if (!canvas.isConnected) return;
    new BarChart(canvas, {
      type: "bar",
      data: {
        labels: bars.map(({ label }) => label),
        datasets: [{ data: bars.map(({ value }) => value), backgroundColor: bars.map(({ colour }) => colour), label: title }],
      },
      options: {
        indexAxis: "y",
        animation: false,
        maintainAspectRatio: false,
        locale: spoken,
        scales: { y: { ticks: { autoSkip: false, font: { size: 11 } }, grid: { display: false } }, x: { ticks: { font: { size: 10 }, maxTicksLimit: 5 } } },
      },
    });
  }, () => box.remove());
  return box;
}

/** A picture of the view as PNG, with the words of its data providers under it. */
import { download } from "../analysis/table";

const LINE_PX = 22;
const MARGIN_PX = 8;

/** `canvas` must hold its pixels: drawn in this very frame, or with a kept drawing buffer. */
export function saveView(canvas: HTMLCanvasElement, words: string, name: string): Promise<void> {
  const scale = canvas.width / Math.max(1, canvas.clientWidth);
  const picture = document.createElement("canvas");
  picture.width = canvas.width;
  picture.height = canvas.height + LINE_PX * scale;
  const context = picture.getContext("2d");
  if (!context) return Promise.reject(new Error("no 2D canvas"));
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(canvas, 0, 0);
  context.fillStyle = "#16242f";
  context.font = `${12 * scale}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.fillText(words, MARGIN_PX * scale, canvas.height + (LINE_PX * scale) / 2, picture.width - 2 * MARGIN_PX * scale);
  return new Promise((resolve, reject) => {
    picture.toBlob((blob) => {
      if (!blob) return reject(new Error("no picture"));
      download(name, blob, "image/png");
      resolve();
    }, "image/png");
  });
}

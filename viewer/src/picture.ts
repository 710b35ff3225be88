// A picture of what is seen, with a scale bar, as PNG.
import { magnification, scaleLength } from "./furniture";
import { save } from "./dom";
import { canvasOf, redraw } from "./stage";
import { screenMpp, state } from "./store";

export async function savePicture(): Promise<void> {
  redraw();
  const source = canvasOf();
  const picture = document.createElement("canvas");
  [picture.width, picture.height] = [source.width, source.height];
  const pen = picture.getContext("2d")!;
  const ratio = source.width / state.width;
  pen.fillStyle = "white";
  pen.fillRect(0, 0, picture.width, picture.height);
  pen.drawImage(source, 0, 0);
  const { um, text } = scaleLength(screenMpp(), 160);
  const length = (um / screenMpp()) * ratio;
  const [x, y] = [24 * ratio, picture.height - 28 * ratio];
  pen.font = `600 ${14 * ratio}px system-ui, sans-serif`;
  const label = `${text}   ${magnification(screenMpp())}`;
  const wide = Math.max(length, pen.measureText(label).width);
  pen.fillStyle = "rgb(255 255 255 / 0.88)";
  pen.fillRect(x - 10 * ratio, y - 26 * ratio, wide + 20 * ratio, 42 * ratio);
  pen.fillStyle = "black";
  pen.fillText(label, x, y - 8 * ratio);
  pen.fillRect(x, y, length, 4 * ratio);
  const blob = await new Promise<Blob | null>((done) => picture.toBlob(done, "image/png"));
  if (blob) save(`${state.slide?.name ?? "view"}.png`, blob);
}

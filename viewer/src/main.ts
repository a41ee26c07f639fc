/** Entry: draws the page, asks the server for its layers, then loads the 3D engine. */
import "@awesome.me/webawesome/dist/styles/themes/default.css";
import "./style.css";
import { ApiError, readLayers, reason, type LayerList } from "./api/api";
import { onLanguage, pick, startLanguage, t } from "./i18n/i18n";
import { Notices } from "./page/notices";
import { drawShell } from "./page/shell";

function setState(state: "loading" | "ready" | "error"): void {
  document.body.dataset["state"] = state;
}

async function start(): Promise<void> {
  startLanguage();
  const shell = drawShell(document.getElementById("app") as HTMLElement);
  const notices = new Notices(shell.banner, shell.alerts, shell.attribution);
  let list: LayerList = { layers: [], city: {}, complete: false };
  const name = (): void => {
    const city = pick(list.city.name);
    shell.title.textContent = city || t("app.title");
    document.title = city ? `${city} – ${t("app.title")}` : t("app.title");
    notices.draw();
  };
  onLanguage(name);
  name();
  const engine = import("./app");
  try {
    list = await readLayers();
    name();
    notices.set(list.city.notices ?? []);
  } catch (error) {
    const unreachable = error instanceof ApiError && error.status === undefined;
    if (unreachable) notices.alert("error.server");
    else notices.alert("error.layers", { reason: reason(error) });
  }
  try {
    const { startApp } = await engine;
    await startApp(shell, notices, list);
  } catch (error) {
    notices.alert("error.scene", { reason: reason(error) });
  }
  setState(notices.keys.length > 0 ? "error" : "ready");
}

void start();

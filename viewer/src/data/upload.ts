/** Uploading a BIM model: drop a file, follow the job, read the report, go to the model. */
import { ApiError, reason, send } from "../api/client";
import { serviceUrl } from "../api/api";
import { bearer, refused, token } from "../api/token";
import { button, h } from "../page/dom";
import { language, onLanguage, t, type Key } from "../i18n/i18n";

/** State of an upload as the server tells it. */
interface UploadState {
  id: string;
  state: "receiving" | "accepted" | "running" | "successful" | "failed" | "dismissed";
  progress?: number;
  message?: string;
  report?: Record<string, unknown> | null;
  error?: { code?: string; message?: string; hint?: string } | null;
}

const STAGES = ["planning", "design", "construction", "completion", "operation"] as const;
const SUFFIXES = [".ifc", ".ifczip", ".zip"];
const ASK_EVERY_MS = 1000;
const KEYS = { receiving: "upload.sending", accepted: "upload.waiting", running: "upload.running", successful: "upload.done", failed: "upload.failed", dismissed: "upload.dismissed" } as const satisfies Record<UploadState["state"], Key>;

export class UploadPage {
  readonly element = h("section", { "data-testid": "upload" });
  private readonly status = h("div", { "aria-live": "polite", "data-testid": "upload-status" });
  private readonly file = h("input", { type: "file", id: "upload-file", accept: SUFFIXES.join(","), "data-testid": "upload-file" });
  private turn = 0;

  /** `done` shows the model with a code. */
  constructor(private readonly done: (code: string) => Promise<void>) {
    this.file.addEventListener("change", () => this.say());
    this.draw();
    onLanguage(() => this.draw());
  }

  draw(): void {
    const drop = h("label", { class: "drop", for: "upload-file", "data-testid": "upload-drop" }, t("upload.drop"), " ", h("span", { class: "hint" }, SUFFIXES.join(" ")));
    const over = (event: DragEvent, on: boolean): void => {
      event.preventDefault();
      drop.classList.toggle("over", on);
    };
    drop.addEventListener("dragover", (event) => over(event, true));
    drop.addEventListener("dragleave", (event) => over(event, false));
    drop.addEventListener("drop", (event) => {
      over(event, false);
      if (event.dataTransfer?.files.length) this.file.files = event.dataTransfer.files;
      this.say();
    });
    const stage = h("select", { id: "upload-stage", name: "stage" }, ...STAGES.map((id) => h("option", { value: id, selected: id === "completion" }, t(`upload.stage.${id}`))));
    const form = h(
      "form", { class: "grid" },
      drop, this.file,
      h("label", { for: "upload-name" }, t("upload.name")), h("input", { id: "upload-name", name: "name", maxlength: "500", autocomplete: "off" }),
      h("label", { for: "upload-stage" }, t("upload.stage")), stage,
      h("label", { for: "upload-building" }, t("upload.building")), h("input", { id: "upload-building", name: "building_code", maxlength: "40", autocomplete: "off" }),
      h("label", { for: "upload-crs" }, t("upload.crs")), h("input", { id: "upload-crs", name: "crs", placeholder: "EPSG:4547", maxlength: "40", autocomplete: "off" }),
      h("span", {}), h("button", { type: "submit", "data-testid": "upload-go" }, t("upload.go")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.send(new FormData(form));
    });
    this.element.replaceChildren(form, this.status);
    if (!token()) this.status.replaceChildren(h("p", { class: "hint", "data-testid": "upload-token" }, t("upload.token")));
  }

  private say(): void {
    const file = this.file.files?.[0];
    const size = file && (file.size / 1e6).toLocaleString(language(), { maximumFractionDigits: 1 });
    this.status.replaceChildren(file ? h("p", {}, `${file.name} (${size ?? ""} MB)`) : "");
  }

  private fail(text: string): void {
    this.status.replaceChildren(h("p", { class: "bad", role: "alert", "data-testid": "upload-error" }, text));
  }

  private async send(form: FormData): Promise<void> {
    const file = this.file.files?.[0];
    if (!file) return this.fail(t("upload.noFile"));
    if (!SUFFIXES.some((suffix) => file.name.toLowerCase().endsWith(suffix))) return this.fail(t("upload.suffix", { name: file.name, suffixes: SUFFIXES.join(", ") }));
    if (!token()) return this.fail(t("upload.token"));
    this.turn += 1;
    const mine = this.turn;
    const body = new FormData();
    for (const [name, value] of form) if (typeof value === "string" && value.trim()) body.set(name, value.trim());
    body.set("file", file, file.name);
    try {
      let state = await post(body, (part) => {
        if (mine === this.turn) this.follow(t("upload.sending"), part);
      });
      while (mine === this.turn && !["successful", "failed", "dismissed"].includes(state.state)) {
        this.follow([t(KEYS[state.state]), state.message].filter(Boolean).join(" – "), state.progress);
        await new Promise((resolve) => window.setTimeout(resolve, ASK_EVERY_MS));
        state = (await (await send(`bim/uploads/${state.id}`)).json()) as UploadState;
      }
      if (mine === this.turn) this.finish(state);
    } catch (error) {
      if (mine === this.turn) this.fail(t("upload.refused", { reason: reason(error) }));
    }
  }

  private follow(text: string, percent: number | undefined): void {
    const bar = h("progress", { max: "100", "aria-label": t("upload.progress") });
    if (percent !== undefined) bar.value = percent;
    this.status.replaceChildren(h("p", { "data-testid": "upload-state" }, text), bar);
  }

  private finish(state: UploadState): void {
    if (state.state !== "successful") {
      const { message, hint } = state.error ?? {};
      return this.fail([t(KEYS[state.state]), message, hint].filter(Boolean).join(" – "));
    }
    const report = state.report ?? {};
    const { code } = report;
    this.status.replaceChildren(h("p", { class: "answer", "data-testid": "upload-done" }, t("upload.done")), reportList(report));
    if (typeof code === "string") {
      const go = button(t("upload.show"), { "data-testid": "upload-show" }, () => {
        go.disabled = true;
        void this.done(code).finally(() => (go.disabled = false));
      }, t("upload.show"));
      this.status.append(h("p", { class: "buttons" }, go));
    }
  }
}

/** Simple members of the report; lists and objects are one click away. */
function reportList(report: Record<string, unknown>): HTMLElement {
  const list = h("dl", { class: "report", "data-testid": "upload-report" });
  const more: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(report)) {
    if (value === null || value === "") continue;
    if (typeof value === "object") more[name] = value;
    else list.append(h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, typeof value === "string" ? value : JSON.stringify(value)));
  }
  const details = h("details", {}, h("summary", {}, t("upload.details")), h("pre", {}, JSON.stringify(more, null, 1)));
  return h("div", {}, list, Object.keys(more).length > 0 ? details : "");
}

/** Sends a form with progress, which `fetch` does not tell. */
function post(body: FormData, progress: (percent: number) => void): Promise<UploadState> {
  const path = "bim/models";
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", serviceUrl(path));
    for (const [name, value] of Object.entries(bearer())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded, total }) => progress((100 * loaded) / total));
    request.addEventListener("error", () => reject(new ApiError(path)));
    request.addEventListener("load", () => {
      let answer: unknown;
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        answer = {};
      }
      if (request.status === 401) refused();
      if (request.status >= 200 && request.status < 300) resolve(answer as UploadState);
      else reject(new ApiError(path, request.status, answer as Record<string, string>));
    });
    request.send(body);
  });
}

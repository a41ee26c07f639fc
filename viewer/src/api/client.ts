/** The typed client of the OGC API: paths, parameters and answers are those of api/openapi.json. */
import createClient, { type Middleware } from "openapi-fetch";
import { t } from "../i18n/i18n";
import { watch } from "./health";
import type { components, paths } from "./schema";
import { bearer, refused } from "./token";

type Problem = components["schemas"]["problem"];

/** A request the server did not answer as hoped. `status` is undefined where no answer came at all. */
export class ApiError extends Error {
  constructor(
    readonly url: string,
    readonly status?: number,
    /** What the server says about it, with the next step. */
    readonly problem?: Partial<Problem>,
  ) {
    super(status === undefined ? `no answer from ${url}` : `HTTP ${String(status)} from ${url}`);
  }
}

/** Why a request failed, for people. */
export function reason(error: unknown): string {
  if (error instanceof SyntaxError) return t("error.notJson");
  const status = error instanceof ApiError ? error.status : (error as { statusCode?: number } | undefined)?.statusCode;
  if (error instanceof ApiError && status !== undefined && [400, 409, 412, 415, 422].includes(status) && error.problem?.detail) {
    return [error.problem.detail, error.problem.hint].filter(Boolean).join(" – ");
  }
  if (status === 404) return t("error.missing");
  if (status === 401) return t("error.token");
  if (status === 403) return t("error.denied", { status });
  if (status !== undefined) return t("error.http", { status });
  if (error instanceof ApiError) return t("error.network");
  return error instanceof Error && error.message ? error.message : String(error);
}

const TIMEOUT_MS = 30_000;
/** The viewer is served at `<service root>/viewer/`. */
export const serviceRoot = (): URL => new URL("../", document.baseURI);

/** Address below the service root; a leading slash in `path` means that root, not the host (proxies add prefixes). */
export function serviceUrl(path: string, root: URL = serviceRoot()): URL {
  if (path.startsWith("/") && !path.startsWith("//") && !path.startsWith(root.pathname)) {
    return new URL(path.slice(1), root);
  }
  return new URL(path, root);
}

const ends = new WeakMap<Request, (answered: boolean) => void>();

/** Adds the token, the time limit and one kind of error for all requests. */
const manners: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(bearer())) request.headers.set(name, value);
    if (!request.headers.has("Accept")) request.headers.set("Accept", "application/geo+json, application/schema+json, application/json");
    const sent = new Request(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT_MS)]) });
    ends.set(sent, watch());
    return sent;
  },
  onResponse({ request }) {
    ends.get(request)?.(true);
  },
  onError({ request }) {
    ends.get(request)?.(false);
    return new ApiError(new URL(request.url).pathname);
  },
};

type Client = ReturnType<typeof createClient<paths>>;
let made: Client | undefined;

/** Made at the first use: the address of the page is not known before. */
export const client = new Proxy({} as Client, {
  get(_target, name) {
    if (!made) {
      // The lambda looks the function up at each call, so that tests can put one of their own in its place.
      made = createClient<paths>({ baseUrl: serviceRoot().href.replace(/\/$/, ""), fetch: (request) => fetch(request), querySerializer: { array: { style: "form", explode: false } } });
      made.use(manners);
    }
    return Reflect.get(made, name) as unknown;
  },
});

interface Answered<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of an answer; raises `ApiError` where there is none. */
export async function answer<T>(asked: Promise<Answered<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (response.ok && data !== undefined) return data;
  const url = new URL(response.url || serviceRoot().href).pathname;
  if (response.status === 401) refused();
  throw new ApiError(url, response.status, typeof error === "object" && error !== null ? error : {});
}

/** A request outside the described operations (uploads, files), with the same manners. */
export async function send(path: string, options: RequestInit = {}): Promise<Response> {
  const url = serviceUrl(path);
  let response: Response;
  const end = watch();
  try {
    response = await fetch(url, { ...options, headers: { ...bearer(), ...(options.headers as Record<string, string> | undefined) } });
    end(true);
  } catch {
    end(false);
    throw new ApiError(url.pathname);
  }
  if (response.ok) return response;
  if (response.status === 401) refused();
  const problem = (await response.json().catch(() => ({}))) as Partial<Problem>;
  throw new ApiError(url.pathname, response.status, problem);
}

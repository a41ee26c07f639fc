/** The access token of this browser tab. Kept in the tab's session only: it is gone with the tab. */

const KEY = "cim.viewer.token";
const listeners = new Set<(refusedNow: boolean) => void>();
let kept: string | undefined;

export function token(): string {
  if (kept === undefined) {
    try {
      kept = sessionStorage.getItem(KEY) ?? "";
    } catch {
      kept = "";
    }
  }
  return kept;
}

export function setToken(value: string): void {
  kept = value.trim();
  try {
    if (kept) sessionStorage.setItem(KEY, kept);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Storage may be forbidden; the token then lives as long as the page.
  }
  listeners.forEach((listener) => {
    listener(false);
  });
}

/** Header that says who asks; nothing without a token. */
export function bearer(): Record<string, string> {
  const value = token();
  return value ? { Authorization: `Bearer ${value}` } : {};
}

/** The server does not take the token: expired, revoked, or mistyped. */
export function refused(): void {
  listeners.forEach((listener) => {
    listener(true);
  });
}

/** Calls `listener` when the token changes or is refused. */
export function onToken(listener: (refusedNow: boolean) => void): void {
  listeners.add(listener);
}

/** How the server does, told by the requests: silent, slow, or well. */

export type Health = "well" | "slow" | "silent";

/** A request that takes longer is worth a word. */
const SLOW_MS = 5000;
/** A silent server is asked again after this time. */
const PROBE_MS = 4000;

const listeners = new Set<(health: Health) => void>();
let current: Health = "well";
let waiting = 0;
let probing: ReturnType<typeof setTimeout> | undefined;

function set(next: Health): void {
  if (next === current) return;
  current = next;
  listeners.forEach((listener) => listener(next));
}

export function onHealth(listener: (health: Health) => void): void {
  listeners.add(listener);
}

/** Call at the start of a request; call what it returns when the request ends, with whether an answer came. */
export function watch(): (answered: boolean) => void {
  let slow = false;
  const timer = setTimeout(() => {
    slow = true;
    waiting += 1;
    if (current === "well") set("slow");
  }, SLOW_MS);
  return (answered) => {
    clearTimeout(timer);
    if (slow) waiting -= 1;
    if (answered) set(waiting > 0 ? "slow" : "well");
    else set("silent");
  };
}

/** While the server is silent, asks `probe` until it answers. */
export function keepAsking(probe: () => Promise<boolean>): void {
  onHealth((health) => {
    clearTimeout(probing);
    if (health !== "silent") return;
    const again = (): void => {
      void probe().then((answered) => {
        if (answered) set("well");
        else probing = setTimeout(again, PROBE_MS);
      });
    };
    probing = setTimeout(again, PROBE_MS);
  });
}

/** Plain messages for what goes wrong while the page is in use. */
import { keepAsking, onHealth } from "../api/health";
import { serviceUrl } from "../api/api";
import { onToken } from "../api/token";
import type { Notices } from "./notices";

export function watchTroubles(notices: Notices): void {
  onHealth((health) => {
    if (health === "silent") notices.alert("error.silent");
    else notices.clear("error.silent");
    if (health === "slow") notices.alert("error.slow");
    else notices.clear("error.slow");
  });
  keepAsking(() => fetch(serviceUrl("healthz"), { cache: "no-store" }).then(({ ok }) => ok, () => false));
  onToken((refusedNow) => {
    if (refusedNow) notices.alert("error.token");
    else notices.clear("error.token");
  });
}

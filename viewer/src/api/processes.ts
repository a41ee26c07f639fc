/** OGC API - Processes: executing one at once. */
import { answer, client } from "./client";

/** Outputs of a process by name. */
export async function execute(processId: string, inputs: Record<string, unknown>): Promise<Record<string, unknown>> {
  return answer(client.POST("/processes/{processId}/execution", { params: { path: { processId } }, body: { inputs } }));
}

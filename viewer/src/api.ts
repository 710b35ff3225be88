// Requests to the server that the page came from, and to nowhere else.

/** What went wrong, in one sentence that the page shows. */
export class Problem extends Error {}

const session = /[#&]session=([\w-]+)/.exec(location.hash)?.[1];
const headers: Record<string, string> = session ? { authorization: `Bearer ${session}` } : {};
const STOPPED = "The server does not answer. Start `karyoscope view` again, and open its new link.";

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(`data/${path}`, { ...init, headers: { ...headers, ...init.headers } });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem(STOPPED);
  }
  if (answer.ok) return answer;
  let why = `The server answered ${answer.status} for ${path}.`;
  try {
    why = ((await answer.json()) as { error: string }).error || why;
  } catch {
    // A server of plain files has no more to say.
  }
  throw new Problem(why);
}

export const getJson = async <T>(path: string): Promise<T> => (await ask(path)).json();
export const getBytes = async (path: string, signal?: AbortSignal): Promise<ArrayBuffer> =>
  (await ask(path, { signal })).arrayBuffer();
export const getBlob = async (path: string, signal?: AbortSignal): Promise<Blob> =>
  (await ask(path, { signal })).blob();

export async function send<T>(path: string, data: unknown, method = "POST"): Promise<T> {
  const body = JSON.stringify(data);
  const type = { "content-type": "application/json" };
  return (await ask(path, { method, body, headers: type })).json();
}

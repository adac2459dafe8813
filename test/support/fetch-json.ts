/** What an endpoint answers with, whatever its status. */
export async function fetchJson<Answer>(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  return (await response.json()) as Answer;
}

/** A friendly name for somebody who has none yet. */
const FIRST = [
  "Brisk",
  "Quiet",
  "Amber",
  "Lucky",
  "Misty",
  "Bold",
  "Velvet",
  "Sunny",
  "Nimble",
  "Wry",
];
const SECOND = ["Otter", "Wren", "Fox", "Heron", "Badger", "Comet", "Fern", "Lynx", "Pike", "Moth"];

export function randomName(): string {
  const pick = (list: readonly string[]): string =>
    list[Math.floor(Math.random() * list.length)] ?? "Guest";
  return `${pick(FIRST)} ${pick(SECOND)}`;
}

/** Flips one bit of a string's Latin-1 bytes. */
export function flipBit(text: string, bit: number): string {
  const bytes = Buffer.from(text, "latin1");
  const index = Math.floor(bit / 8) % bytes.length;
  bytes.writeUInt8(bytes.readUInt8(index) ^ (1 << (bit % 8)), index);
  return bytes.toString("latin1");
}

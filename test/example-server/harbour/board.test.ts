import assert from "node:assert/strict";
import { Board } from "../../../example-server/harbour/board.ts";

const record = (id: string, centimetres: number) => ({
  ...{ id, angler: id, home: "localhost:2567", fish: `Perch, ${centimetres} cm`, centimetres },
});

describe("the harbour's board", () => {
  it("has the five biggest, one of each angler, the first of two alike above", () => {
    const board = new Board();
    for (const [id, centimetres] of [
      ...[["a", 20] as const, ["b", 40] as const, ["c", 30] as const, ["a", 35] as const],
      ...[["d", 30] as const, ["e", 10] as const, ["f", 50] as const, ["b", 12] as const],
    ]) {
      board.note(record(id, centimetres));
    }
    const lines = board.lines.map(({ id, centimetres }) => `${id} ${centimetres}`);
    assert.deepEqual(lines, ["f 50", "b 40", "a 35", "c 30", "d 30"]);
  });

  it("takes no boots, and says whether something was written down", () => {
    const board = new Board();
    assert.equal(board.note(record("a", 0)), false);
    assert.equal(board.note(record("a", 20)), true);
    assert.equal(board.note(record("a", 20)), false);
    for (const id of ["b", "c", "d", "e"]) board.note(record(id, 30));
    assert.equal(board.note(record("f", 19)), false);
  });
});

import assert from "node:assert/strict";
import { parseParty } from "../../src/client/party.ts";

const member = { player: "ada@home.example", name: "Ada", stage: "waiting" };
const party = { partyId: "p", to: "aether://arena.example/pit", members: [member] };

describe("client/party", () => {
  it("reads how far each member is", () => {
    assert.deepEqual(parseParty(party), party);
  });

  it("shows no more of a name than can be shown", () => {
    const name = "Ada\u202e\nfrom elsewhere";
    const read = parseParty({ ...party, members: [{ ...member, name }] });
    assert.doesNotMatch(read?.members[0]?.name ?? "\n", /[\u202e\n]/u);
  });

  it("leaves out a member in a stage that it does not know", () => {
    const odd = { ...member, stage: "lost" };
    assert.deepEqual(parseParty({ ...party, members: [odd, member] })?.members, [member]);
  });

  it("reads eight members at most", () => {
    const many = Array.from({ length: 9 }, () => member);
    assert.equal(parseParty({ ...party, members: many })?.members.length, 8);
  });

  it("reads nothing of another form", () => {
    assert.equal(parseParty({ ...party, members: "all" }), undefined);
    assert.equal(parseParty(null), undefined);
  });
});

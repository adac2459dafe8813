/** What the README's examples take for granted: its readers have it, and a comment would be on its page. */
export const README_GIVEN = `
function show(room: import("@colyseus/sdk").Room, origin: string): void;
function tell(message: string): void;
const federation: import("aether-federation").Federation;
const Plaza: new () => import("@colyseus/core").Room;
const bytes: Uint8Array;
const carried: { hat: import("aether-federation").FederationAssetReference };
const carry: () => { hat: import("aether-federation").FederationAssetReference };
const state: { hatUrl: string };
const hatUrl: string;
const hat: import("aether-federation").FederationAssetReference;
`;

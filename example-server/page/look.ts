/** What the page knows, for tests and the curious: `aether` in the console. */
import { gateBox } from "./draw/portal.ts";
import type { Game } from "./game.ts";
import type { View } from "./view.ts";

/** Makes it known. */
export function showForTests(game: Game): void {
  const of = <Told>(tell: (view: View) => Told): Told | undefined => {
    const { view } = game;
    return view === undefined ? undefined : tell(view);
  };
  Object.defineProperty(globalThis, "aether", {
    value: Object.freeze({
      get world() {
        return of(({ world }) => world);
      },
      get origin() {
        return of(({ origin }) => origin);
      },
      get playerId() {
        return of(({ me }) => me?.id);
      },
      get name() {
        return of(({ me }) => me?.name);
      },
      get coins() {
        return [...game.belongings.coins];
      },
      get things() {
        return [...game.belongings.things];
      },
      get stamps() {
        return [...game.belongings.stamps];
      },
      get x() {
        return of(({ me }) => me?.x);
      },
      get y() {
        return of(({ me }) => me?.y);
      },
      get facing() {
        return of(({ me }) => me?.facing);
      },
      get hat() {
        return of(({ me }) =>
          me === undefined
            ? undefined
            : {
                name: me.hat,
                hash: me.hatHash,
                url: me.hatUrl,
                shown: me.hatImage !== undefined,
              },
        );
      },
      get pictures() {
        return of(({ pictures }) =>
          pictures.map(({ x, y, title, owner, status, detail, image }) => ({
            ...{ x, y, title, owner, status, detail },
            shown: image !== undefined,
          })),
        );
      },
      get others() {
        return of(({ avatars }) => avatars.filter(({ me }) => !me).length);
      },
      get ground() {
        return of(({ coins }) => coins.map(({ x, y }) => ({ x, y })));
      },
      get portals() {
        return of(({ portals }) =>
          portals.map(({ x, y, label, status, target }) => {
            return { x, y, label, status, target, screen: game.scene.boxOf(gateBox({ x, y })) };
          }),
        );
      },
      get people() {
        const now = performance.now();
        return of(({ avatars }) =>
          avatars.map(({ name, words, wordsUntil, wavesUntil, crossing }) => {
            return {
              name,
              crossing,
              words: wordsUntil > now ? words : "",
              waves: wavesUntil > now,
            };
          }),
        );
      },
      get tags() {
        return [...game.scene.tags];
      },
      get solids() {
        return of(({ solids }) => [...solids]);
      },
      get clear() {
        return game.scene.clear;
      },
    }),
  });
}
